import Foundation
import TestSupport
import Testing

/// What `-V auto` found is remembered for a day.
@Suite struct VersionMemoryTests {
  /// A broker that takes one version only, as often as this, and the levels that were tried.
  private func levels(
    _ runs: Int, accepting level: UInt8, broker: ScriptedBroker, home: TemporaryFolder, _ options: [String] = [],
    environment: [String: String?] = [:]
  ) throws -> [UInt8] {
    var levels: [UInt8] = []
    for _ in 0..<runs {
      let tool = try ToolProcess(
        "mqpub", broker.options + ["-t", "t", "-m", "x", "-q", "1"] + options, environment: environment, home: home)
      while true {
        let connection = try broker.accept()
        try connection.expectConnect()
        let tried = try #require(connection.connect?.protocolLevel)
        levels.append(tried)
        if tried == level {
          try connection.send(level == 5 ? "20 03 00 00 00" : "20 02 00 00")
          try connection.expect(level == 5 ? "32 r7 s1 't' m1 00 'x'" : "32 r6 s1 't' m1 'x'")
          try connection.send("40 02 m1")
          try connection.expect("e0 00")
          connection.close()
          break
        }
        try connection.send("20 02 00 01")
        try connection.waitForClose()
      }
      try tool.wait()
      expectSuccess(tool)
    }
    return levels
  }

  private func file(_ home: TemporaryFolder, _ broker: ScriptedBroker) -> String {
    home.path(".cache/mqtools/versions/\(broker.host):\(broker.port)")
  }

  @Test("a broker without MQTT 5 is asked for it once a day")
  func remembered() throws {
    let (broker, home) = (try ScriptedBroker(), try TemporaryFolder())
    #expect(try levels(3, accepting: 4, broker: broker, home: home) == [5, 4, 4, 4])
    let file = file(home, broker)
    let attributes = try FileManager.default.attributesOfItem(atPath: file)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    // It stays as old as it is while it is used.
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -86_000)], ofItemAtPath: file)
    #expect(try levels(1, accepting: 4, broker: broker, home: home) == [4])
    #expect(try age(file) > 80_000)
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -86_500)], ofItemAtPath: file)
    #expect(try levels(2, accepting: 4, broker: broker, home: home) == [5, 4, 4])
    #expect(try age(file) < 1_000)
  }

  private func age(_ file: String) throws -> TimeInterval {
    let date = try FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date
    return -(try #require(date).timeIntervalSinceNow)
  }

  @Test("a broker that was upgraded is found again: at once where it refuses the old version, else after a day")
  func upgraded() throws {
    let (broker, home) = (try ScriptedBroker(), try TemporaryFolder())
    #expect(try levels(1, accepting: 4, broker: broker, home: home) == [5, 4])
    #expect(try levels(2, accepting: 5, broker: broker, home: home) == [4, 5, 5])
    #expect(!FileManager.default.fileExists(atPath: file(home, broker)))
  }

  @Test("a version that is named neither asks nor tells the memory, and a broker with MQTT 5 leaves no trace")
  func unconcerned() throws {
    let (broker, home) = (try ScriptedBroker(), try TemporaryFolder())
    #expect(try levels(1, accepting: 4, broker: broker, home: home, ["-V", "311"]) == [4])
    #expect(try levels(1, accepting: 5, broker: broker, home: home) == [5])
    #expect(!FileManager.default.fileExists(atPath: home.path(".cache")))
    #expect(try levels(1, accepting: 4, broker: broker, home: home) == [5, 4])
    #expect(try levels(1, accepting: 5, broker: broker, home: home, ["-V", "5"]) == [5])
    #expect(try levels(1, accepting: 4, broker: broker, home: home) == [4])
  }

  @Test("a cache that cannot be written costs an attempt, and nothing is said", arguments: ["/proc/none", "/dev/null"])
  func unwritable(folder: String) throws {
    let (broker, home) = (try ScriptedBroker(), try TemporaryFolder())
    #expect(
      try levels(2, accepting: 4, broker: broker, home: home, environment: ["XDG_CACHE_HOME": folder]) == [5, 4, 5, 4])
  }
}
