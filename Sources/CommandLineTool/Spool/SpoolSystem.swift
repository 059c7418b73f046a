#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The system calls of a spool. Names are looked up in a folder that is held open, so that nobody can put another one in
/// its place, and no link is followed.
///
/// A class, so that tests can let any call fail.
class SpoolSystem: @unchecked Sendable {
  /// What a name stands for.
  struct Information {
    var isFile: Bool
    var isFolder: Bool
    var size: Int
    var isOurs: Bool
    /// Whether anybody else may read or write it.
    var isOpenToOthers: Bool
  }

  // MARK: Folders

  /// Opens the folder `name` in `folder`.
  func openFolder(_ name: FileName, in folder: Int32) throws(SystemError) -> Descriptor {
    let descriptor = name.withPath { openat(folder, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
    return Descriptor(try checked(descriptor, "open"))
  }

  /// Opens a folder by its path, which may lead through links.
  func openParent(_ path: FileName) throws(SystemError) -> Descriptor {
    Descriptor(try checked(path.withPath { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }, "open"))
  }

  /// Waits until the disk has the name at the end of a path.
  func syncFolder(of path: [UInt8]) throws(SystemError) {
    let slash = path.lastIndex(of: UInt8(ascii: "/"))
    try sync(try openParent(FileName(slash.map { $0 == 0 ? Array("/".utf8) : Array(path[..<$0]) } ?? Array(".".utf8))))
  }

  /// Makes a folder that only its owner may use.
  func makeFolder(_ name: FileName, in folder: Int32) throws(SystemError) {
    _ = try checked(name.withPath { mkdirat(folder, $0, 0o700) }, "mkdir")
  }

  /// Hands every name in the folder to `body`, in no order, and whether it is a file's as far as the file system tells.
  func forEachName(
    in folder: borrowing Descriptor, _ body: (_ name: UnsafeRawBufferPointer, _ mayBeFile: Bool) -> Void
  ) throws(SystemError) {
    // A descriptor of its own, because the position in a folder belongs to the open file.
    let descriptor = try checked(openat(folder.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open")
    guard let stream = fdopendir(descriptor) else {
      let number = errno
      _ = closeOnce(descriptor)
      throw SystemError(call: "fdopendir", number: number)
    }
    defer { closedir(stream) }
    let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = UnsafeRawPointer(entry) + offset
      let type = Int32(entry.pointee.d_type)
      body(
        UnsafeRawBufferPointer(start: name, count: strlen(name.assumingMemoryBound(to: CChar.self))),
        type == Int32(DT_REG) || type == Int32(DT_UNKNOWN))
    }
    if errno != 0 { throw SystemError(call: "readdir", number: errno) }
  }

  // MARK: Files

  /// Opens a file for reading; what turns out to be a pipe does not make it wait.
  func openToRead(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) -> Descriptor {
    let descriptor = name.withPath { openat(folder.number, $0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
    return Descriptor(try checked(descriptor, "open"))
  }

  /// Makes an empty file that only its owner may use, and opens it for writing; fails with EEXIST where the name is taken.
  func makeFile(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) -> Descriptor {
    try create(name, in: folder, O_WRONLY | O_CREAT | O_EXCL)
  }

  /// Opens a file to lock it.
  func openToLock(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) -> Descriptor {
    try create(name, in: folder, O_RDWR | O_CREAT)
  }

  private func create(
    _ name: FileName, in folder: borrowing Descriptor, _ flags: Int32
  ) throws(SystemError) -> Descriptor {
    let descriptor = name.withPath { openat(folder.number, $0, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600) }
    return Descriptor(try checked(descriptor, "open"))
  }

  /// Writes all bytes.
  func write(_ bytes: UnsafeRawBufferPointer, to file: borrowing Descriptor) throws(SystemError) {
    var rest = bytes
    while rest.count > 0 {
      let count = try System.write(rest, to: file.number)
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// The bytes of a file that is `size` long, or fewer where it was cut meanwhile.
  func read(_ file: borrowing Descriptor, size: Int) throws(SystemError) -> [UInt8] {
    var filled = 0
    var failure: Int32?
    let number = file.number
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
      while filled < size {
        let count = readBytes(number, buffer.baseAddress! + filled, size - filled)
        if count > 0 {
          filled += count
        } else if count == 0 {
          break
        } else if errno != EINTR {
          failure = errno
          break
        }
      }
      initialized = filled
    }
    if let failure { throw SystemError(call: "read", number: failure) }
    return bytes
  }

  /// Waits until the disk has a file's bytes, or a folder's names.
  func sync(_ descriptor: borrowing Descriptor) throws(SystemError) {
    while fsync(descriptor.number) != 0 {
      if errno != EINTR { throw SystemError(call: "fsync", number: errno) }
    }
  }

  /// Closes a file that was written: some file systems tell only now that there was no space.
  func close(_ file: consuming Descriptor) throws(SystemError) {
    let number = file.take()
    _ = try checked(closeOnce(number), "close")
  }

  // MARK: Names

  /// Gives a file another name, and replaces what had that name.
  func move(
    _ name: FileName, in folder: borrowing Descriptor, to newName: FileName, in newFolder: borrowing Descriptor
  ) throws(SystemError) {
    let (from, to) = (folder.number, newFolder.number)
    let result = name.withPath { name in newName.withPath { newName in renameat(from, name, to, newName) } }
    _ = try checked(result, "rename")
  }

  /// Removes a file's name.
  func remove(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) {
    let number = folder.number
    _ = try checked(name.withPath { unlinkat(number, $0, 0) }, "unlink")
  }

  /// What a name stands for; nil where it stands for nothing.
  func information(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) -> Information? {
    var status = stat()
    let number = folder.number
    if name.withPath({ fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 { return Information(status) }
    if errno == ENOENT { return nil }
    throw SystemError(call: "stat", number: errno)
  }

  /// What is open.
  func information(_ descriptor: borrowing Descriptor) throws(SystemError) -> Information {
    var status = stat()
    _ = try checked(fstat(descriptor.number, &status), "stat")
    return Information(status)
  }

  // MARK: The rest

  /// Locks a file until it is closed. Without waiting it returns false where another process has the lock.
  func lock(_ file: borrowing Descriptor, waiting: Bool) throws(SystemError) -> Bool {
    while flock(file.number, waiting ? LOCK_EX : LOCK_EX | LOCK_NB) != 0 {
      if errno == EWOULDBLOCK { return false }
      if errno != EINTR { throw SystemError(call: "flock", number: errno) }
    }
    return true
  }

  /// Bytes on the file system that are free for this user.
  func freeSpace(_ folder: borrowing Descriptor) throws(SystemError) -> Int {
    var status = statvfs()
    _ = try checked(fstatvfs(folder.number, &status), "statvfs")
    let (space, overflow) = Int(clamping: status.f_bavail).multipliedReportingOverflow(
      by: Int(clamping: status.f_frsize))
    return overflow ? .max : space
  }

  private func checked(_ result: Int32, _ call: String) throws(SystemError) -> Int32 {
    if result >= 0 { return result }
    throw SystemError(call: call, number: errno)
  }
}

extension SpoolSystem.Information {
  fileprivate init(_ status: stat) {
    self.init(
      isFile: status.st_mode & S_IFMT == S_IFREG, isFolder: status.st_mode & S_IFMT == S_IFDIR,
      size: Int(clamping: status.st_size), isOurs: status.st_uid == geteuid(),
      isOpenToOthers: status.st_mode & 0o077 != 0)
  }
}

/// An open file or folder; closed when it goes.
struct Descriptor: ~Copyable {
  private(set) var number: Int32

  init(_ number: Int32) { self.number = number }

  deinit { if number >= 0 { _ = closeOnce(number) } }

  /// The number, which somebody else closes from now on.
  consuming func take() -> Int32 {
    let number = number
    discard self
    return number
  }
}

/// A name in a folder, or a path, as the system wants it.
struct FileName: ExpressibleByStringLiteral {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes + [0] }

  init(stringLiteral name: String) { self.init(Array(name.utf8)) }

  /// Where a message of this sequence number is kept, in 16 digits: the order of the names is that of the numbers.
  init(_ sequence: Int, suffix: String = "") {
    let digits = String(sequence)
    self.init(Array((String(repeating: "0", count: max(0, 16 - digits.utf8.count)) + digits + suffix).utf8))
  }

  /// The sequence number that a name in a folder stands for.
  static func sequence(_ name: UnsafeRawBufferPointer) -> Int? {
    guard name.count == 16 else { return nil }
    var number = 0
    for byte in name {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
      number = number * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return number
  }

  /// For messages.
  var text: String { String(decoding: bytes.dropLast(), as: UTF8.self) }

  func withPath<R>(_ body: (UnsafePointer<CChar>) -> R) -> R {
    bytes.withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self).baseAddress!) }
  }
}

extension SystemError {
  /// Nothing has this name.
  var isNoSuchFile: Bool { number == ENOENT }

  /// Something has this name already.
  var isNameTaken: Bool { number == EEXIST }

  /// A link stands in the place of a file or folder, or a file in that of a folder.
  var isOfAnotherKind: Bool { number == ELOOP || number == ENOTDIR || number == EMLINK }
}

/// Where paths begin that do not begin with a slash.
let workingFolder = AT_FDCWD

// Inside the class these names are its own.

private func closeOnce(_ descriptor: Int32) -> Int32 { close(descriptor) }

private func readBytes(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  read(descriptor, buffer, count)
}
