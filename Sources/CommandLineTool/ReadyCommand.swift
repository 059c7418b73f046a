public import MQTT
internal import MQTTClient

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What `--on-ready` runs: a command beside the driver, whose output goes to standard error. It is killed with
/// the value, unless it may `leave`.
public final class ReadyCommand {
  private var process: ShellProcess
  private var pause = Duration.milliseconds(4)
  private var nextLook: Instant

  /// The longest time that its end goes unnoticed.
  private static let longestPause = Duration.milliseconds(250)

  /// Starts it. Throws where the system cannot.
  public init(_ command: [UInt8], at now: Instant) throws(SystemError) {
    process = try ShellProcess(command, input: .null, output: .descriptor(2), errors: .same)
    nextLook = now + pause
  }

  /// When to look whether it has ended. (A descriptor would tell, but only one thing at a time may wait for children.)
  public var deadline: Instant { nextLook }

  /// Whether it has ended; throws what was wrong with that.
  public func hasEnded(at now: Instant) throws(HelperError) -> Bool {
    if case .ended(let failure) = process.look() {
      if let failure { throw failure }
      return true
    }
    pause = min(pause * 2, Self.longestPause)
    nextLook = now + pause
    return false
  }

  /// Lets it go on when this process ends.
  public func leave() { process.leave() }
}

/// Tells the service manager that this process does its work now (sd_notify(3)); nothing where nobody asked in NOTIFY_SOCKET.
public func notifyServiceManager() {
  guard let path = System.environment("NOTIFY_SOCKET"), path.count > 1 else { return }
  var address = sockaddr_un()
  let capacity = MemoryLayout.size(ofValue: address.sun_path)
  guard path.count < capacity else { return }
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
  // A name in Linux's abstract namespace begins with NUL, written as @.
  if path[0] == UInt8(ascii: "@") { address.sun_path.0 = 0 }
  let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + path.count
  #if canImport(Darwin)
    let descriptor = socket(AF_UNIX, SOCK_DGRAM, 0)
  #else
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
  #endif
  guard descriptor >= 0 else { return }
  defer { close(descriptor) }
  let connected = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(length)) }
  }
  guard connected == 0 else { return }
  let text = Array("READY=1".utf8)
  _ = write(descriptor, text, text.count)
}
