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

extension WallTime {
  /// Reads what `Timestamp` writes: `2026-11-22T12:55:34.539884+01:00`; a fraction of another length, `Z` and `+0100` are read too.
  package init?(_ text: [UInt8]) {
    var rest = text[...]
    func digits(_ count: Int) -> Int? {
      guard rest.count >= count, rest.prefix(count).allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count).reduce(0) { $0 * 10 + Int($1 & 0xF) }
    }
    func skip(_ byte: Character) -> Bool {
      guard rest.first == byte.asciiValue else { return false }
      rest = rest.dropFirst()
      return true
    }
    guard let year = digits(4), skip("-"), let month = digits(2), skip("-"), let day = digits(2), skip("T"),
      let hour = digits(2), skip(":"), let minute = digits(2), skip(":"), let second = digits(2),
      (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
    else { return nil }
    var nanoseconds = 0
    if skip(".") {
      var unit = 100_000_000
      while let digit = digits(1) {
        nanoseconds += digit * unit
        unit /= 10
      }
    }
    var offset = 0
    if !skip("Z") {
      let sign = skip("+") ? 1 : skip("-") ? -1 : 0
      guard sign != 0, let hours = digits(2) else { return nil }
      _ = skip(":")
      guard let minutes = digits(2) else { return nil }
      offset = sign * (hours * 60 + minutes)
    }
    guard rest.isEmpty else { return nil }
    // Days since the beginning of 1970, in years that begin with March, so that a leap day is a year's last.
    let (shiftedYear, shiftedMonth) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
    let days =
      365 * shiftedYear + shiftedYear / 4 - shiftedYear / 100 + shiftedYear / 400 + (153 * shiftedMonth + 2) / 5 + day
      - 719_469
    let seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second
    self.init(seconds: Int64(seconds), nanoseconds: nanoseconds)
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
