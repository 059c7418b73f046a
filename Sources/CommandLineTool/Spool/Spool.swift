internal import MQTT

/// Messages on disk that wait for their broker: what is in it when a run ends is delivered by a later one.
///
///     DIR/           0700, ours; no link is followed
///       spool-id     client identifier, broker and user
///       seq          the last sequence number
///       session      while the broker may hold a session with something of ours in flight
///       new/         messages that wait, each in a file named by its sequence number
///       rel/         QoS 2: the broker has the message, PUBREL is due. An empty file: only its packet identifier is to be freed
///       bad/         messages put aside, each with its reason beside it
///       tmp/         what is being written
///       enqueue.lock held while a message is stored
///       drain.lock   held while messages are delivered
///       outage       since when the broker is not reached, as was told
///       delivered    when a message was last delivered
///       suspect      the message after which the broker ends its connections, and how often it did so after that one alone
///
/// The order of delivery is that of the sequence numbers, and the packet identifier is made of the sequence number, so that
/// nothing need be written before a PUBLISH and a resend has the identifier of the first attempt. A message changes its
/// state by a rename. Whatever happens between two system calls, every message is in at least one place, and in the order of
/// `new`, `rel`, gone.
public final class Spool {
  /// How much is stored at most.
  public var limits = SpoolLimits()

  /// Who the spool is to the broker; nil where that is not known, because `spool-id` is damaged.
  public var clientIdentifier: String? { identity?.clientIdentifier }

  /// Seconds that the broker is asked to keep the session.
  public static let sessionExpiry: UInt32 = 7 * 24 * 3600

  /// The path, for messages.
  let place: String
  let system: SpoolSystem
  let root: Descriptor
  let waiting: Descriptor
  let released: Descriptor
  let bad: Descriptor
  let temporary: Descriptor
  private(set) var identity: SpoolIdentity?
  private var warnings: [String] = []

  /// Opens the spool in the folder `path`.
  ///
  /// - Parameters:
  ///   - owner: the broker and user that it must belong to; nil to look at it only.
  ///   - isCreated: whether it is made where there is none.
  public convenience init(_ path: [UInt8], of owner: SpoolOwner?, creating isCreated: Bool) throws(SpoolError) {
    try self.init(path, of: owner, creating: isCreated, system: SpoolSystem())
  }

  init(_ path: [UInt8], of owner: SpoolOwner?, creating isCreated: Bool, system: SpoolSystem) throws(SpoolError) {
    var path = path
    while path.count > 1, path.last == UInt8(ascii: "/") { path.removeLast() }  // A link would be followed.
    let name = FileName(path)
    place = name.text
    self.system = system
    root = try Self.openRoot(path, creating: isCreated, system)
    try Self.check(root, place: place, system)
    try Self.checkIsSpool(root, place: place, creating: isCreated, system)
    // Another run may be making the same spool.
    let lock = try Self.lock("enqueue.lock", waiting: true, in: root, place: place, system)
    waiting = try Self.openSubfolder("new", in: root, place: place, system)
    released = try Self.openSubfolder("rel", in: root, place: place, system)
    bad = try Self.openSubfolder("bad", in: root, place: place, system)
    temporary = try Self.openSubfolder("tmp", in: root, place: place, system)
    try identify(as: owner)
    _ = consume lock
  }

  /// What somebody should know who looks after the spool; each is told once.
  public func takeWarnings() -> [String] {
    defer { warnings = [] }
    return warnings
  }

  func warn(_ text: String) { warnings.append("\(place): \(text)") }

  // MARK: - Opening

  private static func openRoot(
    _ path: [UInt8], creating isCreated: Bool, _ system: SpoolSystem
  ) throws(SpoolError) -> Descriptor {
    let name = FileName(path)
    do throws(SystemError) {
      return try system.openFolder(name, in: workingFolder)
    } catch  where error.isNoSuchFile && isCreated {
      return try tried(name.text) { () throws(SystemError) in try make(path, system) }
    } catch  where error.isNoSuchFile {
      throw .missing(place: name.text)
    } catch {
      throw SpoolError(error, place: name.text)
    }
  }

  /// Makes the folder, and waits until the disk has its name.
  private static func make(_ path: [UInt8], _ system: SpoolSystem) throws(SystemError) -> Descriptor {
    let name = FileName(path)
    do throws(SystemError) {
      try system.makeFolder(name, in: workingFolder)
    } catch  where error.isNameTaken {
      // Another run was faster.
    }
    let folder = try system.openFolder(name, in: workingFolder)
    try system.syncFolder(of: path)
    return folder
  }

  private static func check(
    _ descriptor: borrowing Descriptor, place: String, _ system: SpoolSystem
  ) throws(SpoolError) {
    let information: SpoolSystem.Information
    do throws(SystemError) {
      information = try system.information(descriptor)
    } catch {
      throw SpoolError(error, place: place)
    }
    guard information.isOurs else { throw .unsafe(place: place, problem: "it belongs to another user") }
    guard !information.isOpenToOthers else {
      throw .unsafe(place: place, problem: "others can read or write it (chmod go= \(place))")
    }
    guard information.isFile || information.isFolder else {
      throw .unsafe(place: place, problem: "neither file nor folder")
    }
  }

  /// Keeps us from scattering our files in a folder that is there for something else.
  private static func checkIsSpool(
    _ root: borrowing Descriptor, place: String, creating isCreated: Bool, _ system: SpoolSystem
  ) throws(SpoolError) {
    let ours = [
      "new", "rel", "bad", "tmp", "spool-id", "seq", "session", "outage", "delivered", "suspect", "enqueue.lock",
      "drain.lock",
    ].map { Array($0.utf8) }
    var isIdentified = false
    var isOurs = true
    do throws(SystemError) {
      isIdentified = try system.information("spool-id", in: root) != nil
      guard !isIdentified else { return }
      try system.forEachName(in: root) { name, _ in
        if name.first != UInt8(ascii: "."), !ours.contains(where: { $0.elementsEqual(name) }) { isOurs = false }
      }
    } catch {
      throw SpoolError(error, place: place)
    }
    guard isOurs else { throw .notASpool(place: place) }
    guard isCreated else { throw .missing(place: place) }
  }

  private static func openSubfolder(
    _ name: FileName, in root: borrowing Descriptor, place: String, _ system: SpoolSystem
  ) throws(SpoolError) -> Descriptor {
    let place = "\(place)/\(name.text)"
    let folder: Descriptor
    do throws(SystemError) {
      folder = try openOrMake(name, in: root, system)
    } catch {
      throw SpoolError(error, place: place)
    }
    try check(folder, place: place, system)
    return folder
  }

  private static func openOrMake(
    _ name: FileName, in root: borrowing Descriptor, _ system: SpoolSystem
  ) throws(SystemError) -> Descriptor {
    do throws(SystemError) {
      return try system.openFolder(name, in: root.number)
    } catch  where error.isNoSuchFile {
      try system.makeFolder(name, in: root.number)
      return try system.openFolder(name, in: root.number)
    }
  }

  // MARK: - Identity

  private func identify(as owner: SpoolOwner?) throws(SpoolError) {
    switch try contents(of: "spool-id", in: root).map(SpoolIdentity.parse) {
    case .identity(let found): identity = found
    case .newerVersion: throw .newerVersion(place: place)
    case .damaged:
      guard owner != nil else { return warn("spool-id is damaged") }
      warn("spool-id was damaged: the spool has a new client identifier, and messages under way may come twice")
      try attempt { () throws(SystemError) in try system.move("spool-id", in: root, to: "spool-id", in: bad) }
      try makeIdentity(of: owner)
    case nil: try makeIdentity(of: owner)
    }
    if let owner, let found = identity?.owner, found != owner {
      throw .foreign(place: place, owner: "\(found)")
    }
  }

  private func makeIdentity(of owner: SpoolOwner?) throws(SpoolError) {
    var random = SystemRandomNumberGenerator()
    let made = SpoolIdentity(of: owner, random: &random)
    try replace("spool-id", with: made.file)
    try attempt { () throws(SystemError) in try system.sync(root) }
    identity = made
  }

  // MARK: - Files

  /// Runs system calls whose failure is that of the spool.
  func attempt<R: ~Copyable>(_ body: () throws(SystemError) -> R) throws(SpoolError) -> R {
    try Self.tried(place, body)
  }

  private static func tried<R: ~Copyable>(
    _ place: String, _ body: () throws(SystemError) -> R
  ) throws(SpoolError) -> R {
    do throws(SystemError) {
      return try body()
    } catch {
      throw SpoolError(error, place: place)
    }
  }

  /// Writes a file of the spool so that it has either its old or its new contents, whatever happens; the disk has them, and
  /// perhaps not yet its name.
  func replace(_ name: FileName, with contents: [UInt8]) throws(SpoolError) {
    try attempt { () throws(SystemError) in
      try write(contents, to: name)
      try system.move(name, in: temporary, to: name, in: root)
    }
  }

  /// Writes a file in `tmp`, and waits until the disk has it.
  func write(_ contents: [UInt8], to name: FileName) throws(SystemError) {
    let file = try makeTemporary(name)
    try contents.withBytes { (bytes) throws(SystemError) in try system.write(bytes, to: file) }
    try system.sync(file)
    try system.close(file)
  }

  /// Makes a file in `tmp`, where an interrupted run may have left one of that name.
  private func makeTemporary(_ name: FileName) throws(SystemError) -> Descriptor {
    do throws(SystemError) {
      return try system.makeFile(name, in: temporary)
    } catch  where error.isNameTaken {
      try system.remove(name, in: temporary)
      return try system.makeFile(name, in: temporary)
    }
  }

  /// The contents of a file; nil where there is none, or something that cannot be a file of ours.
  func contents(of name: FileName, in folder: borrowing Descriptor) throws(SpoolError) -> [UInt8]? {
    do throws(SystemError) {
      let file = try system.openToRead(name, in: folder)
      let information = try system.information(file)
      guard information.isFile, information.size <= StoredMessage.maximumFileSize else { return [] }
      return try system.read(file, size: information.size)
    } catch  where error.isNoSuchFile {
      return nil
    } catch  where error.isOfAnotherKind {
      return []
    } catch {
      throw SpoolError(error, place: place)
    }
  }

  /// The sequence numbers of the files in a folder, in order.
  func sequences(in folder: borrowing Descriptor) throws(SpoolError) -> [Int] {
    var found: [Int] = []
    do throws(SystemError) {
      try system.forEachName(in: folder) { name, mayBeFile in
        if mayBeFile, let sequence = FileName.sequence(name) { found.append(sequence) }
      }
    } catch {
      throw SpoolError(error, place: place)
    }
    return found.sorted()
  }

  func has(_ name: FileName, in folder: borrowing Descriptor) throws(SpoolError) -> Bool {
    do throws(SystemError) {
      return try system.information(name, in: folder) != nil
    } catch {
      throw SpoolError(error, place: place)
    }
  }

  /// Lets nobody else store messages meanwhile.
  func locked<R>(_ body: () throws(SpoolError) -> R) throws(SpoolError) -> R {
    let file = try lock("enqueue.lock", waiting: true)
    let result = try body()
    _ = consume file  // Not before.
    return result
  }

  /// Takes one of the locks; nil without waiting where another run has it.
  func lock(_ name: FileName, waiting isWaiting: Bool) throws(SpoolError) -> Descriptor? {
    try Self.lock(name, waiting: isWaiting, in: root, place: place, system)
  }

  private static func lock(
    _ name: FileName, waiting isWaiting: Bool, in root: borrowing Descriptor, place: String, _ system: SpoolSystem
  ) throws(SpoolError) -> Descriptor? {
    do throws(SystemError) {
      let file = try system.openToLock(name, in: root)
      guard try system.lock(file, waiting: isWaiting) else { return nil }
      // Some network file systems agree to every lock.
      let another = try system.openToLock(name, in: root)
      guard try !system.lock(another, waiting: false) else { throw SystemError(call: "flock", number: 0) }
      return file
    } catch  where error.call == "flock" {
      throw .noLocks(place: place)
    } catch {
      throw SpoolError(error, place: "\(place)/\(name.text)")
    }
  }
}
