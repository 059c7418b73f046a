import CommandLineTool
import Testing

struct ArgumentTests {
  private func argument(_ text: String) -> Argument { Argument(bytes(text), from: Source(.commandLine)) }

  @Test("numbers are read whole", arguments: [("0", 0), ("7", 7), ("007", 7), ("65535", 65_535)])
  func numbers(text: String, number: Int) throws {
    #expect(try argument(text).number(in: 0...65_535) == number)
  }

  @Test(
    "what is no number within its limits is refused",
    arguments: ["", " 1", "1 ", "-1", "+1", "1.0", "0x10", "65536", "9223372036854775808", "1e3", "١"])
  func wrongNumbers(text: String) {
    let error = #expect(throws: UsageError.self) { try argument(text).number(in: 0...65_535) }
    #expect(error?.message == "\"\(text)\" is not a number from 0 to 65535")
  }

  @Test("a number without an upper limit is not told one")
  func openRange() throws {
    #expect(try argument("9223372036854775807").number(in: 1 ... .max) == .max)
    let error = #expect(throws: UsageError.self) { try argument("0").number(in: 1 ... .max) }
    #expect(error?.message == "\"0\" is not a number from 1")
  }

  @Test(
    "durations are seconds or carry their unit",
    arguments: [
      ("0", Duration.zero), ("10", .seconds(10)), ("0.5", .milliseconds(500)), (".5", .milliseconds(500)),
      ("500ms", .milliseconds(500)),
      ("0.25ms", .microseconds(250)), ("2s", .seconds(2)), ("5m", .seconds(300)), ("1.5h", .seconds(5400)),
      ("7d", .seconds(604_800)), ("0.000000001", .nanoseconds(1)), ("100000d", .seconds(8_640_000_000)),
    ])
  func durations(text: String, duration: Duration) throws {
    #expect(try argument(text).duration() == duration)
  }

  @Test(
    "what is no duration is refused",
    arguments: [
      "", "s", ".", "5.", "-1", "1 s", "1S", "1sec", "1h30m", "0.0000000001", "1e3", "99999999999d",
      "0.0000000000000000000000000000001s",
    ])
  func wrongDurations(text: String) {
    let error = #expect(throws: UsageError.self) { try argument(text).duration() }
    #expect(error?.message == "\"\(text)\" is not a time such as 10, 0.5, 500ms, 2s, 5m, 1h or 7d")
  }

  @Test("some times must be above zero")
  func durationAboveZero() throws {
    #expect(try argument("1ms").durationAboveZero() == .milliseconds(1))
    #expect(throws: UsageError("\"0s\" is not a time above zero")) { try argument("0s").durationAboveZero() }
  }

  @Test(
    "sizes are bytes or carry their unit",
    arguments: [
      ("0", 0), ("4096", 4096), ("64k", 64_000), ("10M", 10_000_000), ("1G", 1_000_000_000), ("64Ki", 65_536),
      ("1.5Mi", 1_572_864), ("2Gi", 2_147_483_648), ("0.5k", 500),
    ])
  func sizes(text: String, size: Int) throws {
    #expect(try argument(text).size() == size)
  }

  @Test("what is no size is refused", arguments: ["", "k", "1K", "1.5", "1kB", "-1", "9999999999999G"])
  func wrongSizes(text: String) {
    let error = #expect(throws: UsageError.self) { try argument(text).size() }
    #expect(error?.message == "\"\(text)\" is not a size such as 4096, 64k, 10M or 64Mi")
  }

  @Test("a choice names what there is to choose from")
  func choices() throws {
    let choices = [("0", 10), ("1", 11), ("2", 12)]
    #expect(try argument("2").choice(choices) == 12)
    #expect(throws: UsageError("\"3\" is not 0, 1 or 2")) { try argument("3").choice(choices) }
  }

  @Test("text is checked, not repaired")
  func text() throws {
    #expect(try argument("µ").text() == "µ")
    #expect(throws: UsageError("\"a\u{FFFD}\" is not valid UTF-8")) {
      try Argument([0x61, 0xFF], from: Source(.commandLine)).text()
    }
  }
}
