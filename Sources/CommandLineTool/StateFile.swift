internal import MQTT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why a state file cannot be used.
public enum StateFileError: Error, Sendable {
  /// Another process uses it.
  case inUse
  /// It belongs to another session: this one.
  case foreign(String)
  /// It is something else, or of another version.
  case notOurs
  /// The system refused.
  case system(SystemError)

  /// What is wrong, and what to do about it.
  public var explanation: String {
    switch self {
    case .inUse: "another run uses it"
    case .foreign(let owner): "it belongs to another session, \(owner); each session has a file of its own"
    case .notOurs: "it is no state file, or one of another version; name another one, or remove it"
    case .system(let error): error.explanation
    }
  }
}

/// What is known of the QoS 2 messages of a session that were dealt with and not released by the broker, on the disk.
///
/// Saving appends a record, which counts when it is there whole: a process that is killed, or a machine that loses its power, leaves
/// the record before. Numbers have their most significant byte first.
///
///     ┌───────────┬─────────┬────────┬───────┐  the beginning: which session it belongs to
///     │"mqstate\n"│ version │ length │ owner │  8, 4, 4 and `length` bytes
///     └───────────┴─────────┴────────┴───────┘
///     ┌────────┬──────────┬────────┬───────┬─────────┐  a record: all that holds from now on
///     │ length │ checksum │ device │ inode │ entries │  4, 4, 8 and 8 bytes, and 18 for each entry
///     └────────┴──────────┴────────┴───────┴─────────┘
///     ┌───────────────────┬───────┬─────┐  an entry
///     │ packet identifier │ start │ end │  2, 8 and 8 bytes; start and end are all ones where the place is not known
///     └───────────────────┴───────┴─────┘
///
/// Length and checksum of a record are those of what stands behind them.
struct StateFile: ~Copyable {
  /// A message.
  struct Entry: Hashable, Sendable {
    var packetIdentifier: UInt16
    /// Where it stands in the output file if it was written, which was not known yet; nil where it was.
    var place: Range<UInt64>?
  }

  /// All that holds.
  struct State: Hashable, Sendable {
    /// The file that places are in; nil where the output is none.
    var output: FileIdentity?
    var entries: [Entry] = []
  }

  /// A file, whatever its name.
  struct FileIdentity: Hashable, Sendable {
    var device: UInt64
    var inode: UInt64
  }

  /// What was saved last.
  private(set) var state = State()

  private let system = SpoolSystem()
  private let path: [UInt8]
  private let header: [UInt8]
  private var file: Descriptor
  /// Bytes in the file.
  private var size = 0

  private static let magic = Array("mqstate\n".utf8)
  private static let version: UInt32 = 1
  private static let versionEnd = 12
  private static let headerSize = 16
  private static let entrySize = 18
  /// Bytes beyond which the file is written anew, with its last record only.
  private let sizeLimit: Int

  private init(_ file: consuming Descriptor, path: [UInt8], owner: String, sizeLimit: Int) {
    self.file = file
    self.path = path
    self.sizeLimit = sizeLimit
    var start = Self.magic
    Self.append(Self.version, to: &start)
    Self.append(UInt32(truncatingIfNeeded: owner.utf8.count), to: &start)
    header = start + owner.utf8
  }

  /// Opens the file, or makes it, for the session that `owner` describes.
  static func open(_ path: [UInt8], owner: String, sizeLimit: Int = 1 << 20) throws(StateFileError) -> StateFile {
    let system = SpoolSystem()
    var state = StateFile(try locked(path, system), path: path, owner: owner, sizeLimit: sizeLimit)
    let contents: [UInt8]
    do throws(SystemError) {
      contents = try system.read(state.file, size: try system.information(state.file).size)
    } catch {
      throw .system(error)
    }
    let isNew = contents.count < state.header.count && state.header.starts(with: contents)
    if !isNew { try state.read(contents) }
    do throws(SystemError) {
      // What a process that was killed wrote last may not be whole.
      try System.cut(state.file.number, to: state.size)
      if isNew {
        try state.append(state.header)
        try system.syncFolder(of: path)
      }
    } catch {
      throw .system(error)
    }
    return state
  }

  private static func locked(_ path: [UInt8], _ system: SpoolSystem) throws(StateFileError) -> Descriptor {
    do throws(SystemError) {
      let file = try system.openToLock(FileName(path), in: Descriptor(workingFolder))
      if try system.lock(file, waiting: false) { return file }
    } catch {
      throw .system(error)
    }
    throw .inUse
  }

  /// Makes `state` what holds, also for a machine that loses its power.
  mutating func save(_ state: State) throws(SystemError) {
    var body: [UInt8] = []
    Self.append(state.output?.device ?? .max, to: &body)
    Self.append(state.output?.inode ?? .max, to: &body)
    for entry in state.entries {
      Self.append(entry.packetIdentifier, to: &body)
      Self.append(entry.place?.lowerBound ?? .max, to: &body)
      Self.append(entry.place?.upperBound ?? .max, to: &body)
    }
    var record: [UInt8] = []
    Self.append(UInt32(truncatingIfNeeded: body.count), to: &record)
    Self.append(body.withUnsafeBytes { Checksum.of($0) }, to: &record)
    record += body
    if size + record.count > sizeLimit { try replace(with: header + record) } else { try append(record) }
    self.state = state
  }

  private mutating func append(_ bytes: [UInt8]) throws(SystemError) {
    try bytes.withBytes { (bytes) throws(SystemError) in try system.write(bytes, to: file) }
    try system.sync(file)
    size += bytes.count
  }

  /// Puts a new file in the place of the present one, which is good until then.
  private mutating func replace(with contents: [UInt8]) throws(SystemError) {
    let newPath = path + Array(".new".utf8)
    let folder = Descriptor(workingFolder)
    let new = try system.openToLock(FileName(newPath), in: folder)
    // A process that opens the name from now on finds this one locked.
    guard try system.lock(new, waiting: false) else { throw SystemError(call: "flock", number: EWOULDBLOCK) }
    try System.cut(new.number, to: 0)
    try contents.withBytes { (bytes) throws(SystemError) in try system.write(bytes, to: new) }
    try system.sync(new)
    try system.move(FileName(newPath), in: folder, to: FileName(path), in: folder)
    try system.syncFolder(of: path)
    file = new
    size = contents.count
  }

  // MARK: Reading

  private mutating func read(_ contents: [UInt8]) throws(StateFileError) {
    guard contents.starts(with: header[..<Self.versionEnd]) else { throw .notOurs }
    guard contents.starts(with: header) else {
      let owner = contents.dropFirst(Self.headerSize).prefix { $0 != 0 && $0 != UInt8(ascii: "\n") }.prefix(200)
      throw .foreign("'\(String(decoding: owner, as: UTF8.self))'")
    }
    size = header.count
    contents.withUnsafeBytes { contents in
      while let state = Self.record(at: &size, in: contents) { self.state = state }
    }
  }

  /// The record that begins at `position`, which moves behind it; nil where none is whole.
  private static func record(at position: inout Int, in contents: UnsafeRawBufferPointer) -> State? {
    var rest = Numbers(UnsafeRawBufferPointer(rebasing: contents[position...]))
    guard let length = rest.next(UInt32.self), let checksum = rest.next(UInt32.self), length <= rest.bytes.count,
      length >= 16, (Int(length) - 16) % entrySize == 0
    else { return nil }
    var body = Numbers(UnsafeRawBufferPointer(rebasing: rest.bytes[..<Int(length)]))
    guard Checksum.of(body.bytes) == checksum, let device = body.next(UInt64.self), let inode = body.next(UInt64.self)
    else { return nil }
    var state = State()
    if device != .max || inode != .max { state.output = FileIdentity(device: device, inode: inode) }
    while let identifier = body.next(UInt16.self), let start = body.next(UInt64.self), let end = body.next(UInt64.self)
    {
      state.entries.append(Entry(packetIdentifier: identifier, place: start < end ? start..<end : nil))
    }
    position += 8 + Int(length)
    return state
  }

  /// Numbers one behind the other.
  private struct Numbers {
    private(set) var bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func next<I: FixedWidthInteger & BitwiseCopyable>(_: I.Type) -> I? {
      let size = MemoryLayout<I>.size
      guard bytes.count >= size else { return nil }
      defer { bytes = UnsafeRawBufferPointer(rebasing: bytes[size...]) }
      return I(bigEndian: bytes.loadUnaligned(as: I.self))
    }
  }

  private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: number.bigEndian) { bytes += $0 }
  }
}
