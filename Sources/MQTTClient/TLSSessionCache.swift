internal import COpenSSL
internal import CSystem

/// Sessions of TLS for the next run, in a folder that nobody else may use: one file for each kind of connection, with the sessions
/// that were offered last, the newest at its end.
///
/// A session is taken out before it is used: tickets of TLS 1.3 are for one connection (RFC 8446, appendix C.4), and one that a
/// broker will not have is gone by that. Whatever is wrong with folder or file counts as no session: a full handshake does it too.
struct TLSSessionCache {
  private let folder: [UInt8]
  private let file: [UInt8]

  /// Sessions in a file; two runs at the same time each find one.
  private static let sessionLimit = 4
  /// Bytes of a session, at most. It has the broker's certificate in it.
  private static let sizeLimit = 1 << 14
  /// After so many seconds a file that nobody writes to is removed: no ticket lives longer (RFC 8446, section 4.6.1).
  private static let ageLimit = 7 * 86_400

  /// The sessions of connections to `place` under the configuration. All that decides whom we trust and who we are is part of the
  /// file's name: with anything changed, sessions from before are not found.
  ///
  /// - Returns: nil where the configuration has no folder.
  init?(_ configuration: TLSConfiguration, name: String, place: String) {
    guard let folder = configuration.sessionFolder else { return nil }
    self.folder = folder
    var key = Key()
    key.append("2")  // The version of what is in the files.
    key.append(place)
    key.append(name)
    key.append(file: configuration.authorityFile)
    key.append(file: configuration.authorityFolder)
    if configuration.authorityFile == nil, configuration.authorityFolder == nil {
      for variable in [X509_get_default_cert_file_env(), X509_get_default_cert_dir_env()] {
        key.append(variable.flatMap { getenv($0) }.map { String(cString: $0) })
      }
      key.append(file: Array(String(cString: X509_get_default_cert_dir()).utf8))
    }
    key.append(file: configuration.identity?.certificateFile)
    key.append(file: configuration.identity?.keyFile)
    key.append(configuration.pin)
    key.append("\(configuration.minimumVersion.rawValue)")
    key.append(configuration.ciphers)
    key.append(configuration.cipherSuites)
    key.append(configuration.applicationProtocol)
    file = key.fileName
  }

  /// Takes the newest session out.
  func take() -> TLSSession? {
    (withSessions(creating: false) { sessions in sessions.popLast() } ?? nil).flatMap { TLSSession(bytes: $0) }
  }

  /// Puts sessions in, the newest last.
  func put(_ new: [TLSSession]) {
    guard !new.isEmpty else { return }
    withSessions(creating: true) { sessions in sessions = (sessions + new.map(\.bytes)).suffix(Self.sessionLimit) }
  }

  // MARK: - The file

  /// Lets `body` change the sessions in the file, which nobody else does meanwhile.
  @discardableResult
  private func withSessions<R>(creating: Bool, _ body: (inout [[UInt8]]) -> R) -> R? {
    let folder = openFolder(creating: creating)
    guard folder >= 0 else { return nil }
    defer { close(folder) }
    var descriptor = withPath(file) { openIn(folder, $0, O_RDWR | O_NOFOLLOW | O_NONBLOCK) }
    if descriptor < 0, creating, currentErrno() == ENOENT {
      descriptor = withPath(file) { openIn(folder, $0, O_RDWR | O_NOFOLLOW | O_CREAT | O_EXCL) }
      if descriptor >= 0 { removeOld(in: folder, like: descriptor) }
    }
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // Not waited for: whoever holds it may have been stopped.
    guard isPrivate(descriptor, isFolder: false), flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return nil }
    let before = contents(descriptor)
    var sessions = Self.sessions(in: before)
    let result = body(&sessions)
    change(descriptor, from: before, to: Self.bytes(of: sessions))
    return result
  }

  /// The folder, which must be our own and nobody else's; it and what it is in are made if need be.
  private func openFolder(creating: Bool) -> Int32 {
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
    var descriptor = withPath(folder) { openIn(AT_FDCWD, $0, flags) }
    if descriptor < 0, creating, currentErrno() == ENOENT {
      for (index, byte) in folder.enumerated() where byte == UInt8(ascii: "/") && index > 0 {
        _ = withPath(Array(folder[..<index])) { mkdir($0, 0o700) }
      }
      _ = withPath(folder) { mkdir($0, 0o700) }
      descriptor = withPath(folder) { openIn(AT_FDCWD, $0, flags) }
    }
    if descriptor >= 0, !isPrivate(descriptor, isFolder: true) {
      close(descriptor)
      return -1
    }
    return descriptor
  }

  /// Whether only we may use it, and it is what it should be.
  private func isPrivate(_ descriptor: Int32, isFolder: Bool) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_uid == geteuid() && status.st_mode & 0o077 == 0
      && status.st_mode & mode_t(S_IFMT) == mode_t(isFolder ? S_IFDIR : S_IFREG)
  }

  private func contents(_ descriptor: Int32) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Self.sessionLimit * (4 + Self.sizeLimit)) { space, initialized in
      initialized = max(0, pread(descriptor, space.baseAddress, space.count, 0))
    }
  }

  /// Writes what is new. What is cut off or added at the end costs no more than that.
  private func change(_ descriptor: Int32, from before: [UInt8], to after: [UInt8]) {
    var kept = after.starts(with: before) ? before.count : 0
    if kept == 0, before.starts(with: after) { kept = after.count }
    // A file that was not written to its end holds what is whole of it.
    if kept < before.count, ftruncate(descriptor, off_t(kept)) != 0 { return }
    if kept < after.count { _ = pwrite(descriptor, Array(after[kept...]), after.count - kept, off_t(kept)) }
  }

  /// Removes what is as old as no ticket gets, judged by a file that was just made.
  private func removeOld(in folder: Int32, like new: Int32) {
    var status = stat()
    guard fstat(new, &status) == 0, let stream = fdopendir(openIn(folder, ".", O_RDONLY | O_DIRECTORY)) else { return }
    defer { closedir(stream) }
    let oldest = modificationTime(status).tv_sec - Self.ageLimit
    let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
    while let entry = readdir(stream) {
      let name = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
      guard strlen(name) == Key.fileNameLength, fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
        continue
      }
      if modificationTime(status).tv_sec < oldest { unlinkat(folder, name, 0) }
    }
  }

  // MARK: - What is in it

  /// Each session has its length in four bytes before it, the highest first.
  static func bytes(of sessions: [[UInt8]]) -> [UInt8] {
    var bytes: [UInt8] = []
    for session in sessions where session.count <= sizeLimit {
      for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: session.count >> shift)) }
      bytes += session
    }
    return bytes
  }

  /// The sessions in the bytes of a file, as far as they are whole.
  static func sessions(in bytes: [UInt8]) -> [[UInt8]] {
    var rest = bytes[...]
    var sessions: [[UInt8]] = []
    while rest.count >= 4 {
      let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(4)
      guard length > 0, length <= rest.count else { break }
      sessions.append(Array(rest.prefix(length)))
      rest = rest.dropFirst(length)
    }
    return sessions
  }

  /// What a file is named after.
  private struct Key {
    private var bytes: [UInt8] = []

    /// Characters of `fileName`.
    static let fileNameLength = 64

    /// With its length, so that no two keys have the same bytes; nil is none of them.
    mutating func append(_ part: [UInt8]?) {
      guard let part else { return bytes.append(0) }
      bytes.append(1)
      withUnsafeBytes(of: UInt64(part.count).bigEndian) { bytes += $0 }
      bytes += part
    }

    mutating func append(_ part: String?) { append(part.map { Array($0.utf8) }) }

    /// The path, and what changes with the contents.
    mutating func append(file path: [UInt8]?) {
      append(path)
      guard let path else { return }
      var status = stat()
      if withPath(path, { stat($0, &status) }) != 0 { return append("none") }
      let time = modificationTime(status)
      append("\(status.st_dev) \(status.st_ino) \(status.st_size) \(time.tv_sec) \(time.tv_nsec)")
    }

    /// The SHA-256 in hexadecimal digits.
    var fileName: [UInt8] {
      var digest = [UInt8](repeating: 0, count: 32)
      SHA256(bytes, bytes.count, &digest)
      let digits = Array("0123456789abcdef".utf8)
      return digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }
  }
}
