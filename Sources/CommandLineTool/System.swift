#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A failed call of the C library, with the error number it left.
public struct SystemError: Error, Hashable, Sendable {
  /// The function's name in C.
  public var call: String
  /// The `errno` of the failure.
  public var number: Int32

  /// A failure of `call` with the error number `number`.
  public init(call: String, number: Int32) {
    self.call = call
    self.number = number
  }

  /// What the system says about the number: "No such file or directory".
  public var explanation: String { String(cString: strerror(number)) }
}

/// The C library as this module uses it. All its calls stand here and in Signals.swift, so that no other file needs to
/// know how the platforms differ.
enum System {
  // MARK: Descriptors

  /// One write(2), repeated when a signal interrupts it.
  static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws(SystemError) -> Int {
    while true {
      let count = writeOnce(bytes, to: descriptor)
      if count >= 0 { return count }
      if errno != EINTR { throw SystemError(call: "write", number: errno) }
    }
  }

  /// Whether the descriptor would take bytes (or has failed, which the write will tell); waits for that if asked to.
  static func isWritable(_ descriptor: Int32, waiting: Bool) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    while true {
      let count = poll(&entry, 1, waiting ? -1 : 0)
      if count >= 0 || errno != EINTR { return count != 0 }
    }
  }

  static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  // MARK: Files

  /// The whole file, which may be a pipe.
  static func contents(of path: [UInt8]) throws(SystemError) -> [UInt8] {
    let descriptor = openForReading(path)
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    defer { _ = close(descriptor) }
    return try contents(descriptor: descriptor)
  }

  /// All that can be read from a descriptor, to its end.
  static func contents(descriptor: Int32) throws(SystemError) -> [UInt8] {
    var contents: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = piece.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        contents += piece[..<count]
      } else if count == 0 {
        return contents
      } else if errno != EINTR {
        throw SystemError(call: "read", number: errno)
      }
    }
  }

  // MARK: The process

  /// The words that the program was started with, as bytes: nothing makes them text.
  static func arguments() -> [[UInt8]] {
    (0..<Int(CommandLine.argc)).map { index in
      CommandLine.unsafeArgv[index].map { bytes(ofString: $0) } ?? []
    }
  }

  /// The value of an environment variable, or nil when it is not set.
  static func environment(_ name: String) -> [UInt8]? { getenv(name).map { bytes(ofString: $0) } }

  static var processIdentifier: Int32 { getpid() }

  /// Ends the program now. Nothing that was registered for the end runs: it would only cost time.
  static func exit(_ status: Int32) -> Never { _exit(status) }

  // MARK: Time

  /// A second in the local time zone.
  struct LocalTime {
    var year: Int
    var month: Int
    var day: Int
    var hour: Int
    var minute: Int
    var second: Int
    /// Seconds east of UTC.
    var offset: Int
  }

  static func localTime(_ seconds: Int64) -> LocalTime {
    var fields = tm()
    var time = time_t(seconds)
    localtime_r(&time, &fields)
    return LocalTime(
      year: Int(fields.tm_year) + 1900, month: Int(fields.tm_mon) + 1, day: Int(fields.tm_mday),
      hour: Int(fields.tm_hour), minute: Int(fields.tm_min), second: Int(fields.tm_sec), offset: fields.tm_gmtoff)
  }
}

extension SystemError {
  /// The descriptor takes nothing at the moment.
  var isWouldBlock: Bool { number == EAGAIN || number == EWOULDBLOCK }

  /// Nobody reads the other end any more.
  var isClosedPipe: Bool { number == EPIPE }

  /// There is no such file for this user. A folder that may not be searched counts: after a change of user, `HOME`
  /// often still names the folder of another one.
  var isMissingFile: Bool { number == ENOENT || number == ENOTDIR || number == EACCES }
}

private func writeOnce(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
  write(descriptor, bytes.baseAddress, bytes.count)
}

private func openForReading(_ path: [UInt8]) -> Int32 {
  (path + [0]).withUnsafeBytes { name in
    open(name.assumingMemoryBound(to: CChar.self).baseAddress!, O_RDONLY | O_CLOEXEC)
  }
}

private func bytes(ofString string: UnsafePointer<CChar>) -> [UInt8] {
  [UInt8](UnsafeRawBufferPointer(start: string, count: strlen(string)))
}
