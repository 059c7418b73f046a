/// A point in time as the calendar has it, where `Instant` is for measuring how long something takes.
public struct WallTime: Hashable, Sendable {
  /// Seconds since the beginning of 1970 in UTC.
  public var seconds: Int64
  /// 0 to 999,999,999.
  public var nanoseconds: Int

  /// A point in time.
  public init(seconds: Int64, nanoseconds: Int) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// What the clock says.
  public static var now: WallTime {
    let time = System.wallClock()
    return WallTime(seconds: time.seconds, nanoseconds: time.nanoseconds)
  }
}

/// Writes points in time as ISO 8601 in the local zone: `2026-11-22T12:55:34.539884+01:00`.
///
/// The system is asked for the local time once a second, not once a message; it is the caller who reads the clock.
public struct Timestamp: Sendable {
  /// How the distance to UTC is written.
  public enum Zone: Sendable {
    /// `+0100`, as strftime and mosquitto's clients write it.
    case basic
    /// `+01:00`, as RFC 3339 asks for.
    case extended
  }

  private var second: Int64?
  /// `2026-11-22T12:55:34`
  private var text: [UInt8] = []
  /// `+01:00`
  private var zone: [UInt8] = []

  private let localTime: @Sendable (Int64) -> System.LocalTime

  /// A writer for the zone of the environment.
  public init() { self.init(localTime: System.localTime) }

  /// A writer for another clock's zone.
  init(localTime: @escaping @Sendable (Int64) -> System.LocalTime) { self.localTime = localTime }

  /// Appends the time that is `seconds` after the beginning of 1970.
  public mutating func append(seconds: Int64, zone: Zone, to output: inout OutputBuffer) {
    prepare(seconds)
    output.append(text)
    append(zone, to: &output)
  }

  /// Appends the same with six digits of microseconds.
  public mutating func append(seconds: Int64, nanoseconds: Int, zone: Zone, to output: inout OutputBuffer) {
    prepare(seconds)
    output.append(text)
    output.append(UInt8(ascii: "."))
    output.append(decimal: nanoseconds / 1000, width: 6)
    append(zone, to: &output)
  }

  private func append(_ form: Zone, to output: inout OutputBuffer) {
    switch form {
    case .extended: output.append(zone)
    case .basic:
      zone.withUnsafeBytes {
        output.append(UnsafeRawBufferPointer(rebasing: $0[..<3]))
        output.append(UnsafeRawBufferPointer(rebasing: $0[4...]))
      }
    }
  }

  private mutating func prepare(_ seconds: Int64) {
    if second == seconds { return }
    let time = localTime(seconds)
    let minutes = time.offset.magnitude / 60
    var buffer = OutputBuffer(descriptor: -1, limit: .max)
    buffer.append(decimal: time.year, width: 4)
    let fields = [("-", time.month), ("-", time.day), ("T", time.hour), (":", time.minute), (":", time.second)]
    for (separator, value) in fields {
      buffer.append(separator)
      buffer.append(decimal: value, width: 2)
    }
    text = buffer.withBytes { Array($0) }
    buffer.removeAll()
    buffer.append(time.offset < 0 ? "-" : "+")
    buffer.append(decimal: Int(minutes / 60), width: 2)
    buffer.append(":")
    buffer.append(decimal: Int(minutes % 60), width: 2)
    zone = buffer.withBytes { Array($0) }
    second = seconds
  }
}
