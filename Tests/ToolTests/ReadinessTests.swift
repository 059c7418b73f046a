import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How mqsub tells others that its subscriptions stand.
@Suite(.needs("mosquitto"))
struct ReadinessTests {
  @Test("--on-ready runs its command when the subscriptions stand, and messages go on meanwhile")
  func command() throws {
    let scene = try SubscribeRun()
    let publish = try "'\(locate("mqpub"))' " + scene.broker.options.joined(separator: " ") + " -t t -q 1"
    let tool = try scene.run(
      "-t", "t", "-q", "1", "-C", "2", "--on-ready", "\(publish) -m one; echo said; \(publish) -m two")
    #expect(tool.end == .exited(0))
    #expect(tool.outputText == "one\ntwo\n")
    #expect(tool.errorText == "said\n")
  }

  @Test("a command of --on-ready that fails ends the run with status 69", arguments: ["exit 3", "kill -9 $$"])
  func failure(command: String) throws {
    let scene = try SubscribeRun()
    let tool = try scene.run("-t", "t", "--on-ready", command)
    #expect(tool.end == .exited(69))
    #expect(tool.errorText.hasPrefix("mqsub: Error: --on-ready: the command "))
  }

  @Test("it runs once, not again after an outage")
  func once() throws {
    let scene = try SubscribeRun()
    let tool = try scene.start("-t", "t", "-C", "1", "--on-ready", "echo ready >&2")
    try scene.broker.restart()
    try tool.waitForErrors("connected again")
    try Expect.eventually {
      try scene.publish("t x")
      return tool.end != nil
    }
    #expect(tool.errorText.components(separatedBy: "ready\n").count == 2)
  }

  @Test("a signal ends a command that runs; another end leaves it alone", arguments: [true, false])
  func running(isStopped: Bool) throws {
    let scene = try SubscribeRun()
    let folder = try TemporaryFolder()
    let (started, ended) = (folder.path("started"), folder.path("ended"))
    let tool = try scene.start(
      "-t", "t", "-C", "1", "--on-ready", "touch '\(started)'; sleep 0.7; touch '\(ended)'")
    Expect.eventually { FileManager.default.fileExists(atPath: started) }
    if isStopped { tool.signal(15) } else { try scene.publish("t x") }
    #expect(try tool.wait(timeout: .seconds(1)) == .exited(0))
    if isStopped {
      usleep(900_000)  // What does not come has no event.
      #expect(!FileManager.default.fileExists(atPath: ended))
    } else {
      Expect.eventually { FileManager.default.fileExists(atPath: ended) }
    }
  }

  @Test("READY=1 goes to NOTIFY_SOCKET when the broker has answered")
  func notification() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("notify")
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0)
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqsub", broker.options + ["-V", "311", "-t", "t"], environment: ["NOTIFY_SOCKET": path])
    let connection = try broker.acceptConnect()
    let identifier = try connection.nextPacket().body.prefix(2)
    var space = [UInt8](repeating: 0, count: 100)
    #expect(recv(descriptor, &space, space.count, Int32(MSG_DONTWAIT)) < 0)
    try connection.sendBytes([0x90, 3] + identifier + [0])
    var limit = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let count = recv(descriptor, &space, space.count, 0)
    #expect(String(decoding: space[..<max(0, count)], as: UTF8.self) == "READY=1")
    tool.signal(15)
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
  }
}
