import Foundation
import MQTT
import MQTTClient
import TestSupport
import Testing

@testable import CommandLineTool

@Suite(.serialized) struct JobPoolTests {
  init() { Signals.ignoreBrokenPipes() }

  /// Runs one job for each message, and returns how they ended, in that order of time.
  private func run(
    _ command: String, _ messages: [PublishPacket], jobs: Int = 1, timeLimit: Duration? = nil,
    outputLimit: Int? = 1 << 20
  ) throws -> [JobPool.End] {
    let inputs = try messages.map { try $0.with { JobInput($0, at: .fixed) } }
    var pool = try JobPool(Array(command.utf8), jobs: jobs, timeLimit: timeLimit, outputLimit: outputLimit)
    var driver = Driver()
    pool.watch(in: &driver)
    var ends: [JobPool.End] = []
    var next = 0
    let limit = Instant.now + .seconds(20)
    while ends.count < inputs.count {
      while pool.hasRoom, next < inputs.count {
        try pool.start(next, inputs[next], &driver)
        next += 1
      }
      switch driver.next(until: pool.deadline.map { min($0, limit) } ?? limit) {
      case .ready(let descriptor, _): #expect(pool.ready(descriptor, &driver))
      case .deadline:
        try #require(driver.now < limit, "nothing ended in time")
        pool.deadlineReached(at: driver.now)
      default: break
      }
      while let end = pool.nextEnd() { ends.append(end) }
    }
    let isIdle = pool.isIdle
    #expect(isIdle)
    return ends
  }

  private func message(_ payload: [UInt8] = [], topic: String = "t") -> PublishPacket {
    var packet = PublishPacket(topic: Array(topic.utf8))
    packet.payload = payload
    return packet
  }

  @Test("the payload comes on standard input, however long it is, and what is printed is collected")
  func payload() throws {
    let payload = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let ends = try run("cat", [message(payload)])
    #expect(ends[0].failure == nil)
    Expect.bytes(ends[0].output, payload)
  }

  @Test("a command that reads nothing of a long payload has done its part all the same")
  func nothingRead() throws {
    let ends = try run("exec 0<&-; echo done", [message(Array(repeating: 0x61, count: 1_000_000))])
    #expect(ends[0].failure == nil)
    Expect.text(ends[0].output, "done\n")
  }

  @Test("what a message is stands in the environment, and nothing of it is interpreted")
  func environment() throws {
    setenv("MESSAGE_CONTENT_TYPE", "of our caller", 1)
    defer { unsetenv("MESSAGE_CONTENT_TYPE") }
    var packet = message(topic: "a/$(exit 9)/`id`;'\"\n*")
    packet.qos = .atLeastOnce
    packet.packetIdentifier = 7
    packet.isDuplicate = true
    packet.properties[.responseTopic] = "answer/é"
    packet.properties[.correlationData] = [0, 0xFF]
    packet.properties[.messageExpiryInterval] = 3600
    packet.properties.userProperties = [UserProperty("k", "v\"w"), UserProperty("k", "")]
    let ends = try run("env -0 | grep -z ^MESSAGE_ | sort -z", [packet])
    let variables = ends[0].output.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    #expect(
      variables.filter { !$0.hasPrefix("MESSAGE_TIME") } == [
        "MESSAGE_CORRELATION_DATA_BASE64=AP8=", "MESSAGE_DUPLICATE=1", "MESSAGE_EXPIRY_INTERVAL=3600", "MESSAGE_QOS=1",
        "MESSAGE_RESPONSE_TOPIC=answer/é", "MESSAGE_RETAIN=0", "MESSAGE_TOPIC=a/$(exit 9)/`id`;'\"\n*",
        "MESSAGE_USER_PROPERTIES=[[\"k\",\"v\\\"w\"],[\"k\",\"\"]]",
      ])
    #expect(variables.contains { $0.hasPrefix("MESSAGE_TIME=2026-11-2") && $0.contains(".539884") })
  }

  @Test(
    "how a command failed is told",
    arguments: [
      ("exit 3", HelperError.exited(3)), ("kill -9 $$", .signalled(9)), ("no-such-command-here 2>&1", .exited(127)),
      ("yes", .tooLong),
    ])
  func failure(command: String, failure: HelperError) throws {
    #expect(try run(command, [message()], outputLimit: 1000)[0].failure == failure)
  }

  @Test("a time limit ends a command and all that it started")
  func timeLimit() throws {
    let started = ContinuousClock.now
    let ends = try run("sleep 30 | sleep 30", [message()], timeLimit: .milliseconds(100))
    #expect(ends[0].failure == .timedOut(.milliseconds(100)))
    #expect(ContinuousClock.now - started < .seconds(2))
  }

  @Test("a command that does not want to end is killed")
  func stubborn() throws {
    let started = ContinuousClock.now
    let ends = try run("trap '' TERM; while :; do sleep 0.05; done", [message()], timeLimit: .milliseconds(100))
    #expect(ends[0].failure == .timedOut(.milliseconds(100)))
    #expect(ContinuousClock.now - started < JobPool.patience + .seconds(2))
  }

  @Test("as many run at a time as were allowed", arguments: [1, 3])
  func jobs(count: Int) throws {
    let folder = try TemporaryFolder()
    // Each goes on when all of them have begun.
    let command = "cd '\(folder.path)'; mkdir $MESSAGE_TOPIC; until [ $(ls | wc -l) -ge \(count) ]; do sleep 0.01; done"
    let ends = try run(command, (0..<count).map { message(topic: "\($0)") }, jobs: count)
    #expect(ends.allSatisfy { $0.failure == nil })
    #expect(Set(ends.map { $0.number }) == Set(0..<count))
  }

  @Test("what a command leaves behind holds nobody up")
  func leftBehind() throws {
    let started = ContinuousClock.now
    let ends = try run("sleep 3 & echo x", [message()])
    #expect(ends[0].failure == nil)
    Expect.text(ends[0].output, "x\n")
    #expect(ContinuousClock.now - started < .seconds(2))
  }

  @Test("commands end with their pool")
  func end() throws {
    let input = try message().with { JobInput($0, at: .fixed) }
    var ends: [Int32] = [-1, -1]
    #expect(pipe(&ends) == 0)
    let (reading, writing) = (ends[0], ends[1])
    do {
      // Both processes hold the pipe.
      var pool = try JobPool(
        Array("sleep 30 3>&\(writing) | sleep 30".utf8), jobs: 1, timeLimit: nil, outputLimit: nil)
      var driver = Driver()
      pool.watch(in: &driver)
      try pool.start(0, input, &driver)
    }
    close(writing)
    var byte: UInt8 = 0
    #expect(read(reading, &byte, 1) == 0)
    close(reading)
  }
}
