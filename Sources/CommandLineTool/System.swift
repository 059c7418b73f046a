internal import CSystem
internal import MQTT
internal import MQTTClient

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

/// The C library as this module uses it. All its calls stand here, in Signals.swift, Helper.swift, Prompt.swift and
/// FullScreen.swift, so that no other file needs to know how the platforms differ.
public enum System {
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

  /// Has memory of a megabyte and more go back to the system as soon as it is free. The GNU C library would keep it, more of it with
  /// each larger piece.
  static func keepNoLargeMemory() {
    #if canImport(Glibc)
      mallopt(M_MMAP_THRESHOLD, 1 << 20)
    #endif
  }

  /// Puts something in the place of standard descriptors that the caller has closed. Else the next socket would be standard
  /// output, and messages would be written to the broker. Using what is put there fails, as with the closed one.
  static func fillStandardDescriptors() {
    for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
      _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
    }
  }

  /// Whether the descriptor is a terminal.
  public static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  // MARK: Files

  /// The whole file, which may be a pipe.
  public static func contents(of path: [UInt8]) throws(SystemError) -> [UInt8] {
    let descriptor = openForReading(path)
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    defer { _ = close(descriptor) }
    return try contents(descriptor: descriptor)
  }

  /// The names of the files in a folder, sorted by their bytes. Links and what begins with a point are left out.
  public static func fileNames(in folder: [UInt8]) throws(SystemError) -> [[UInt8]] {
    var names: [[UInt8]] = []
    let system = SpoolSystem()
    let folder = try system.openParent(FileName(folder))
    try system.forEachName(in: folder) { name, mayBeFile in
      if mayBeFile, name.first != UInt8(ascii: ".") { names.append(Array(name)) }
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// The whole file, which may be a pipe that somebody still has to open. Throws ETIMEDOUT when it does not end before
  /// `deadline`.
  static func contents(of path: [UInt8], until deadline: Instant?) throws(SystemError) -> [UInt8] {
    // To open a pipe would wait for whoever writes to it, and for ever.
    let descriptor = try openWithoutWaiting(path)
    defer { _ = close(descriptor) }
    return try contents(descriptor: descriptor, until: deadline)
  }

  /// A descriptor to read the file from, which may be a pipe that somebody still has to open.
  static func openWithoutWaiting(_ path: [UInt8]) throws(SystemError) -> Int32 {
    let descriptor = openForReading(path, O_NONBLOCK)
    if descriptor < 0 { throw SystemError(call: "open", number: errno) }
    return descriptor
  }

  /// All that can be read from a descriptor, to its end. Throws ETIMEDOUT when that does not come before `deadline`.
  static func contents(descriptor: Int32, until deadline: Instant?) throws(SystemError) -> [UInt8] {
    var contents: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      guard isReadable(descriptor, until: deadline) else { throw SystemError(call: "read", number: ETIMEDOUT) }
      let count = piece.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        contents += piece[..<count]
      } else if count == 0 {
        return contents
      } else if errno != EINTR, errno != EAGAIN {
        throw SystemError(call: "read", number: errno)
      }
    }
  }

  /// Waits until the descriptor can be read, or has failed, which the read will tell; false when `deadline` comes first.
  private static func isReadable(_ descriptor: Int32, until deadline: Instant?) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while true {
      // One more than whole milliseconds: waking before the deadline would only mean waiting again.
      let milliseconds = deadline.map { max(0, ($0 - .now).nanoseconds) / 1_000_000 + 1 } ?? -1
      if poll(&entry, 1, Int32(clamping: milliseconds)) > 0 { return true }
      if let deadline, .now >= deadline { return false }
    }
  }

  /// The whole file, and whether others than its owner can read it.
  static func contentsAndExposure(of path: [UInt8]) throws(SystemError) -> (contents: [UInt8], isExposed: Bool) {
    let descriptor = openForReading(path)
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    defer { _ = close(descriptor) }
    let isExposed = try isExposed(status(of: descriptor))
    return (try contents(descriptor: descriptor), isExposed)
  }

  /// The whole file, and whether nobody but its owner can read or write it.
  static func contentsAndPrivacy(of path: [UInt8]) throws(SystemError) -> (contents: [UInt8], isPrivate: Bool) {
    let descriptor = openForReading(path)
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    defer { _ = close(descriptor) }
    let isPrivate = try status(of: descriptor).st_mode & (S_IRWXG | S_IRWXO) == 0
    return (try contents(descriptor: descriptor), isPrivate)
  }

  /// How many seconds ago a file was written; nil where there is none.
  static func age(ofFile path: [UInt8]) -> Int64? {
    var status = stat()
    guard withPath(path, { stat($0, &status) }) == 0 else { return nil }
    return wallClock().seconds - Int64(modificationSeconds(status))
  }

  /// Writes a small file that nothing depends on, and the folders that lead to it; where that cannot be, nothing happens.
  static func leaveFile(_ path: [UInt8], contents: [UInt8]) {
    var descriptor = openToLeave(path)
    if descriptor < 0, errno == ENOENT {
      for index in path.indices.dropFirst() where path[index] == UInt8(ascii: "/") {
        _ = withPath(Array(path[..<index])) { mkdir($0, 0o700) }
      }
      descriptor = openToLeave(path)
    }
    guard descriptor >= 0 else { return }
    _ = contents.withUnsafeBytes { writeOnce($0, to: descriptor) }
    _ = close(descriptor)
  }

  static func removeFile(_ path: [UInt8]) { _ = withPath(path) { unlink($0) } }

  /// A file that was opened to read a secret from it.
  enum SecretFile {
    /// Its contents, up to the limit, and whether others than its owner can read it.
    case contents([UInt8], isExposed: Bool)
    /// The last part of its path is a link, which somebody may have put there.
    case link
    /// A folder, a pipe, a device.
    case notRegular
  }

  /// A file with a secret: no more than `limit` bytes of it and a little.
  static func secretFile(_ path: [UInt8], limit: Int) throws(SystemError) -> SecretFile {
    // Opening a pipe would wait for somebody to write to it.
    let descriptor = openForReading(path, O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ELOOP { return .link }
      throw SystemError(call: "open", number: errno)
    }
    defer { _ = close(descriptor) }
    let status = try status(of: descriptor)
    guard status.st_mode & S_IFMT == S_IFREG else { return .notRegular }
    return .contents(try contents(descriptor: descriptor, limit: limit), isExposed: isExposed(status))
  }

  private static func status(of descriptor: Int32) throws(SystemError) -> stat {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw SystemError(call: "fstat", number: errno) }
    return status
  }

  private static func isExposed(_ status: stat) -> Bool {
    status.st_mode & S_IFMT == S_IFREG && status.st_mode & (S_IRGRP | S_IROTH) != 0
  }

  /// All that can be read from a descriptor, to its end, or a little more than `limit` bytes.
  public static func contents(descriptor: Int32, limit: Int = .max) throws(SystemError) -> [UInt8] {
    var contents: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 16_384)
    while contents.count <= limit {
      let count = piece.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        contents += piece[..<count]
      } else if count == 0 {
        return contents
      } else if errno != EINTR {
        throw SystemError(call: "read", number: errno)
      }
    }
    return contents
  }

  /// A regular file to append lines to, made where there is none, and whether its last line has no end.
  static func openToRecord(_ path: [UInt8]) throws(SystemError) -> (descriptor: Int32, isLineOpen: Bool) {
    let descriptor = openForAppending(path)
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    do throws(SystemError) {
      let status = try status(of: descriptor)
      guard status.st_mode & S_IFMT == S_IFREG else { throw SystemError(call: "open", number: EINVAL) }
      var last = UInt8(ascii: "\n")
      if status.st_size > 0, pread(descriptor, &last, 1, status.st_size - 1) < 0 {
        throw SystemError(call: "read", number: errno)
      }
      return (descriptor, last != UInt8(ascii: "\n"))
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// The regular file behind a descriptor: which one it is, how long, and where the next byte will be written; nil where the
  /// descriptor is something else.
  static func outputFile(
    _ descriptor: Int32
  ) throws(SystemError) -> (identity: StateFile.FileIdentity, size: UInt64, position: UInt64)? {
    let status = try status(of: descriptor)
    guard status.st_mode & S_IFMT == S_IFREG else { return nil }
    let size = UInt64(max(0, status.st_size))
    let appends = fcntl(descriptor, F_GETFL) & O_APPEND != 0
    let identity = StateFile.FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    return (identity, size, appends ? size : UInt64(max(0, lseek(descriptor, 0, SEEK_CUR))))
  }

  /// Takes away what stands behind the first `size` bytes of a file.
  static func cut(_ descriptor: Int32, to size: Int) throws(SystemError) {
    while ftruncate(descriptor, off_t(size)) != 0 {
      if errno != EINTR { throw SystemError(call: "ftruncate", number: errno) }
    }
    lseek(descriptor, off_t(size), SEEK_SET)
  }

  /// Waits until the disk has a file's bytes.
  static func sync(_ descriptor: Int32) throws(SystemError) {
    while fsync(descriptor) != 0 {
      if errno != EINTR { throw SystemError(call: "fsync", number: errno) }
    }
  }

  /// Puts `contents` in the place of a file, all at once and on the disk: nobody sees half of it, and a failure leaves the old
  /// one. What is no regular file, such as a pipe, is written to.
  public static func replaceFile(_ path: [UInt8], contents: [UInt8]) throws(SystemError) {
    let new = try newFile(besides: path)
    do throws(SystemError) {
      var written = 0
      while written < contents.count {
        written += try contents.withUnsafeBufferPointer { (bytes) throws(SystemError) in
          try write(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[written...]), to: new.descriptor)
        }
      }
      if new.path != path { try sync(new.descriptor) }
    } catch {
      close(new.descriptor)
      if new.path != path { removeFile(new.path) }
      throw error
    }
    close(new.descriptor)
    guard new.path != path else { return }
    let result = withPath(new.path) { new in withPath(path) { path in rename(new, path) } }
    if result != 0 {
      let error = SystemError(call: "rename", number: errno)
      removeFile(new.path)
      throw error
    }
  }

  /// Throws what `replaceFile` would throw for want of a folder or a right.
  public static func checkReplacing(_ path: [UInt8]) throws(SystemError) {
    let new = try newFile(besides: path)
    close(new.descriptor)
    if new.path != path { removeFile(new.path) }
  }

  /// A new file in the folder of `path`, or what `path` is when that is no regular file.
  private static func newFile(besides path: [UInt8]) throws(SystemError) -> (descriptor: Int32, path: [UInt8]) {
    var status = stat()
    let exists = withPath(path) { stat($0, &status) } == 0
    if exists, status.st_mode & S_IFMT != S_IFREG {
      let descriptor = withPath(path) { open($0, O_WRONLY | O_CLOEXEC) }
      guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
      return (descriptor, path)
    }
    let newPath = path + Array(".new\(getpid())".utf8)
    let descriptor = withPath(newPath) { open($0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666) }
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    return (descriptor, newPath)
  }

  /// Closes a descriptor.
  static func closeDescriptor(_ descriptor: Int32) { close(descriptor) }

  // MARK: The process

  /// The words that the program was started with, as bytes: nothing makes them text.
  static func arguments() -> [[UInt8]] {
    (0..<Int(CommandLine.argc)).map { index in
      CommandLine.unsafeArgv[index].map { bytes(ofString: $0) } ?? []
    }
  }

  /// Overwrites bytes of a word that the program was started with, so that nobody sees them in the list of processes.
  static func hideArgument(_ index: Int, _ bytes: Range<Int>) {
    guard let word = CommandLine.unsafeArgv[index] else { return }
    for position in bytes { word[position] = 0x2A }
  }

  /// The value of an environment variable, or nil when it is not set.
  public static func environment(_ name: String) -> [UInt8]? { getenv(name).map { bytes(ofString: $0) } }

  /// The folder for what is of use to a later run and no loss: `$XDG_CACHE_HOME/mqtools`, else `~/.cache/mqtools`; nil where there
  /// is no home.
  static var cacheFolder: [UInt8]? {
    // A relative path is not valid there, as the XDG base directory specification says.
    for (variable, rest) in [("XDG_CACHE_HOME", "/mqtools"), ("HOME", "/.cache/mqtools")] {
      if let folder = environment(variable), folder.first == UInt8(ascii: "/") { return folder + Array(rest.utf8) }
    }
    return nil
  }

  /// Takes a variable out of the environment that children get. (/proc/PID/environ keeps it, for the same user only.)
  static func removeFromEnvironment(_ name: String) { unsetenv(name) }

  static var processIdentifier: Int32 { getpid() }

  /// Ends the program now. Nothing that was registered for the end runs: it would only cost time.
  static func exit(_ status: Int32) -> Never { _exit(status) }

  // MARK: Time

  /// The time since the beginning of 1970.
  static func wallClock() -> (seconds: Int64, nanoseconds: Int) {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return (Int64(time.tv_sec), Int(time.tv_nsec))
  }

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

  /// What strftime(3) makes of a percent sign and `conversion` in the local time zone.
  static func timeText(_ conversion: UInt8, _ seconds: Int64) -> [UInt8] {
    var fields = tm()
    var time = time_t(seconds)
    localtime_r(&time, &fields)
    let format = [CChar(UInt8(ascii: "%")), CChar(bitPattern: conversion), 0]
    return [UInt8](unsafeUninitializedCapacity: 256) { text, count in
      count = text.withMemoryRebound(to: CChar.self) { strftime($0.baseAddress!, $0.count, format, &fields) }
    }
  }

  // MARK: Numbers

  /// A number as printf(3) writes it for `%*.*f`, with `flags` behind the percent sign.
  static func decimalText(_ number: Double, flags: String, width: Int, precision: Int) -> [UInt8] {
    // The greatest number has 309 digits before its point.
    [UInt8](unsafeUninitializedCapacity: 400 + width + precision) { text, count in
      count = text.withMemoryRebound(to: CChar.self) { text in
        withVaList([Int32(clamping: width), Int32(clamping: precision), number]) {
          Int(vsnprintf(text.baseAddress!, text.count, "%\(flags)*.*f", $0))
        }
      }
    }
  }
}

extension SystemError {
  /// The descriptor takes nothing at the moment.
  var isWouldBlock: Bool { number == EAGAIN || number == EWOULDBLOCK }

  /// A deadline came first.
  var isTimeout: Bool { number == ETIMEDOUT }

  /// A signal came first.
  var isInterruption: Bool { number == EINTR }

  /// Nobody reads the other end any more.
  var isClosedPipe: Bool { number == EPIPE }

  /// There is no such file for this user. A folder that may not be searched counts: after a change of user, `HOME`
  /// often still names the folder of another one.
  var isMissingFile: Bool { number == ENOENT || number == ENOTDIR || number == EACCES }
}

private func writeOnce(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
  write(descriptor, bytes.baseAddress, bytes.count)
}

private func withPath(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
  (path + [0]).withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self).baseAddress!) }
}

private func openToLeave(_ path: [UInt8]) -> Int32 {
  withPath(path) { open($0, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600) }
}

private func modificationSeconds(_ status: stat) -> Int {
  #if canImport(Darwin)
    status.st_mtimespec.tv_sec
  #else
    status.st_mtim.tv_sec
  #endif
}

private func openForReading(_ path: [UInt8], _ flags: Int32 = 0) -> Int32 {
  (path + [0]).withUnsafeBytes { name in
    open(name.assumingMemoryBound(to: CChar.self).baseAddress!, O_RDONLY | O_CLOEXEC | flags)
  }
}

private func openForAppending(_ path: [UInt8]) -> Int32 {
  (path + [0]).withUnsafeBytes { name in
    open(
      name.assumingMemoryBound(to: CChar.self).baseAddress!, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0o666
    )
  }
}

private func bytes(ofString string: UnsafePointer<CChar>) -> [UInt8] {
  [UInt8](UnsafeRawBufferPointer(start: string, count: strlen(string)))
}
