import Foundation
import Testing

@testable import CommandLineTool

/// Counts how often it is asked; always 2026-11-22 12:55 and the second asked for modulo 60.
private final class CountingClock: @unchecked Sendable {
  private(set) var questions = 0
  let offset: Int

  init(offset: Int) { self.offset = offset }

  func localTime(_ seconds: Int64) -> System.LocalTime {
    questions += 1
    return System.LocalTime(
      year: 2026, month: 11, day: 2, hour: 2, minute: 5, second: Int(seconds % 60), offset: offset)
  }
}

struct TimestampTests {
  @Test(
    "a time has its zone",
    arguments: [
      (3600, "+01:00", "+0100"), (0, "+00:00", "+0000"), (19_800, "+05:30", "+0530"), (-12_600, "-03:30", "-0330"),
      (50_400, "+14:00", "+1400"),
    ])
  func zones(offset: Int, extended: String, basic: String) {
    let clock = CountingClock(offset: offset)
    var timestamp = Timestamp(localTime: clock.localTime)
    #expect(
      outputText { timestamp.append(seconds: 34, nanoseconds: 539_884_999, zone: .extended, to: &$0) }
        == "2026-11-02T02:05:34.539884\(extended)")
    #expect(
      outputText { timestamp.append(seconds: 34, nanoseconds: 5_000, zone: .basic, to: &$0) }
        == "2026-11-02T02:05:34.000005\(basic)")
    #expect(outputText { timestamp.append(seconds: 35, zone: .basic, to: &$0) } == "2026-11-02T02:05:35\(basic)")
    #expect(clock.questions == 2)
  }

  @Test("the system's zone is the one of the environment")
  func systemZone() {
    let moment = Date(timeIntervalSince1970: 1_795_348_534)
    var timestamp = Timestamp()
    let written = outputText { timestamp.append(seconds: 1_795_348_534, zone: .extended, to: &$0) }
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyy-MM-dd'T'HH:mm:ssxxx"
    #expect(written == formatter.string(from: moment))
  }

  @Test(
    "a time is read as it is written, whatever its zone",
    arguments: [
      ("1970-01-01T00:00:00Z", 0, 0), ("2026-11-22T12:55:34.539884+01:00", 1_795_348_534, 539_884_000),
      ("2026-11-22T11:55:34.5-0000", 1_795_348_534, 500_000_000), ("2000-02-29T23:59:59Z", 951_868_799, 0),
      ("1969-12-31T19:00:00-05:00", 0, 0), ("2024-03-01T00:00:00.1234567891Z", 1_709_251_200, 123_456_789),
    ])
  func read(text: String, seconds: Int64, nanoseconds: Int) {
    #expect(WallTime(Array(text.utf8)) == WallTime(seconds: seconds, nanoseconds: nanoseconds))
  }

  @Test(
    "what is no time is none",
    arguments: [
      "", "2026-11-22", "2026-11-22T12:55:34", "2026-13-22T12:55:34Z", "2026-11-22 12:55:34Z", "2026-11-22T12:55:34Zx",
      "now",
    ])
  func noTime(text: String) {
    #expect(WallTime(Array(text.utf8)) == nil)
  }
}
