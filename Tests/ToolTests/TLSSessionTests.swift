import Foundation
import TestSupport
import Testing

/// Sessions that are kept for the next run.
@Suite(.needs("mosquitto", "openssl")) struct TLSSessionTests {
  let certificates: Certificates
  let broker: RealBroker
  let home: TemporaryFolder
  let options: [String]
  let listener: RealBroker.Listener

  init() throws {
    certificates = try .shared()
    listener = .tls(try certificates.issue())
    broker = try RealBroker(listeners: [listener])
    home = try TemporaryFolder()
    options = broker.options(of: listener) + ["--cafile", certificates.root.certificate]
  }

  /// The folder, under the clean environment's XDG_CACHE_HOME.
  private var folder: String {
    let names = FileManager.default.enumerator(atPath: home.path)?.compactMap { $0 as? String } ?? []
    return names.first { $0.hasSuffix("mqtools/tls") }.map(home.path) ?? ""
  }

  private var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] }

  /// Whether a run resumes a session.
  private func resumes(_ more: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> Bool {
    let tool = try ToolProcess.run("mqpub", options + more + ["--tls-info"], home: home)
    #expect(tool.end == .exited(0), "\(tool.errorText)", sourceLocation: sourceLocation)
    #expect(tool.outputText.contains("verified      as "), sourceLocation: sourceLocation)
    #expect(tool.outputText.contains("names       localhost, 127.0.0.1, ::1"), sourceLocation: sourceLocation)
    return tool.outputText.contains("resumed       yes\n")
  }

  @Test("the second run and those after it resume, in TLS 1.3 and 1.2", arguments: ["TLSv1.3", "TLSv1.2"])
  func secondRun(version: String) throws {
    let environment = try openSSLConfiguration("MaxProtocol = \(version)", in: home)
    for run in 0..<3 {
      let tool = try ToolProcess.run("mqsub", options + ["--tls-info"], environment: environment, home: home)
      #expect(tool.outputText.contains("version       \(version)\n"))
      #expect(tool.outputText.contains("resumed       \(run == 0 ? "no" : "yes")\n"), "run \(run)")
    }
    #expect(try permissions(of: folder) == 0o700)
    #expect(files.count == 1)
    #expect(try permissions(of: folder + "/" + files[0]) == 0o600)
    // Neither the broker nor anything else can be read from the name.
    #expect(files[0].count == 64)
  }

  @Test("one publish after the other uses and leaves sessions, all in one file")
  func publishResumes() throws {
    for _ in 0..<3 { expectSuccess(try ToolProcess.run("mqpub", options + ["-t", "t", "-n", "-q", "1"], home: home)) }
    #expect(try resumes())
    #expect(files.count == 1)
  }

  @Test("whatever decides whom we trust and who we are has sessions of its own")
  func keys() throws {
    #expect(try resumes() == false)
    #expect(try resumes())
    let pin = "sha256//" + (try certificates.pin(try certificates.issue()))
    for more in [
      ["--tls-pin", pin], ["--tls-name", "localhost"], ["--tls-alpn", "mqtt"], ["--tls-version", "tlsv1.3"],
      ["--ciphers", "TLS_AES_128_GCM_SHA256"],
      ["--cert", try certificates.issue("/CN=me").certificate, "--key", certificates.key],
    ] {
      let tool = try ToolProcess.run("mqpub", options + more + ["--tls-info"], home: home)
      #expect(tool.outputText.contains("resumed       no\n"), "\(more) \(tool.errorText)")
    }
    #expect(try resumes("--tls-pin", pin))
  }

  @Test("a pin that is not met is refused though there is a session")
  func wrongPin() throws {
    #expect(try resumes() == false)
    let tool = try ToolProcess.run(
      "mqpub", options + ["-t", "t", "-n", "--tls-pin", "sha256//" + (try certificates.pin(certificates.root))],
      home: home)
    expectError(tool, 8, ["not that of --tls-pin"])
  }

  @Test("an authority's file that has changed finds no session")
  func changedAuthority() throws {
    let copy = try home.write("ca.pem", try Data(contentsOf: URL(fileURLWithPath: certificates.root.certificate)))
    let options = broker.options(of: listener) + ["--cafile", copy, "-t", "t", "-n"]
    for _ in 0..<2 { expectSuccess(try ToolProcess.run("mqpub", options, home: home)) }
    try home.write("ca.pem", try Data(contentsOf: URL(fileURLWithPath: certificates.otherRoot.certificate)))
    expectError(try ToolProcess.run("mqpub", options, home: home), 8, ["Test Root"])
  }

  @Test("of a run with --insecure nothing is kept, and nothing is used in one")
  func insecure() throws {
    let insecure = broker.options(of: listener) + ["--tls", "--insecure"]
    expectSuccess(try ToolProcess.run("mqpub", insecure + ["-t", "t", "-n", "-q", "1"], home: home))
    #expect(folder == "")
    #expect(try resumes() == false)
    let tool = try ToolProcess.run("mqpub", insecure + ["--tls-info"], home: home)
    #expect(tool.outputText.contains("resumed       no\n"))
    #expect(tool.outputText.contains("verified      no\n"))
  }

  @Test("a certificate that has expired since is refused in spite of its session")
  func expiredSince() throws {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(identifier: "UTC")
    formatter.dateFormat = "yyyyMMddHHmmss"
    let end = Date(timeIntervalSinceNow: 4)
    let listener = RealBroker.Listener.tls(try certificates.issue(days: ("20200101", formatter.string(from: end))))
    let broker = try RealBroker(listeners: [listener])
    let options =
      broker.options(of: listener) + ["--cafile", certificates.root.certificate, "-t", "t", "-n", "-q", "1"]
    expectSuccess(try ToolProcess.run("mqpub", options, home: home))
    #expect(files.count == 1)
    Thread.sleep(until: end.addingTimeInterval(1))
    expectError(try ToolProcess.run("mqpub", options, home: home), 8, ["certificate expired on"])
  }

  @Test("several runs at once share the sessions without waiting or trouble")
  func atOnce() throws {
    #expect(try resumes() == false)
    let tools = try (0..<6).map { _ in
      try ToolProcess("mqpub", options + ["-t", "t", "-n", "-q", "1"], home: home)
    }
    for tool in tools { #expect(try tool.wait() == .exited(0), "\(tool.errorText)") }
    #expect(files.count == 1)
    #expect(try resumes())
  }

  @Test("a broker that will have none of the session is connected to anew at once")
  func rejectedSession() throws {
    let proxy = try CuttingProxy(to: broker.port(of: listener))
    let options = proxy.options + ["--cafile", certificates.root.certificate, "-t", "t", "-n", "-q", "1"]
    expectSuccess(try ToolProcess.run("mqpub", options, home: home))
    proxy.cutEach(after: 1, .toClient, times: 1)
    let before = proxy.connections
    expectSuccess(try ToolProcess.run("mqpub", options, home: home))
    #expect(proxy.connections == before + 2)
  }

  @Test(
    "a folder that others may use, a link, a file that is damaged: no session, and no trouble",
    arguments: ["open folder", "open file", "link to a folder", "link to a file", "damaged", "empty", "a folder"])
  func hostileCache(what: String) throws {
    #expect(try resumes() == false)
    let folder = folder
    let file = folder + "/" + files[0]
    let manager = FileManager.default
    switch what {
    case "open folder": chmod(folder, 0o755)
    case "open file": chmod(file, 0o644)
    case "link to a folder":
      try manager.moveItem(atPath: folder, toPath: home.path("elsewhere"))
      try manager.createSymbolicLink(atPath: folder, withDestinationPath: home.path("elsewhere"))
    case "link to a file":
      try manager.moveItem(atPath: file, toPath: home.path("elsewhere"))
      try manager.createSymbolicLink(atPath: file, withDestinationPath: home.path("elsewhere"))
    case "damaged":
      var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
      bytes = Array(bytes.prefix(100)) + bytes.dropFirst(200).map { ~$0 }
      let handle = try #require(FileHandle(forWritingAtPath: file))
      handle.truncateFile(atOffset: 0)
      handle.write(Data(bytes))
    case "empty": truncate(file, 0)
    default:
      try manager.removeItem(atPath: file)
      try manager.createDirectory(atPath: file, withIntermediateDirectories: false)
    }
    #expect(try resumes() == false)
    if what == "damaged" || what == "empty" { #expect(try resumes()) }
  }

  @Test("without a home, and where the folder cannot be made, there is no session and no trouble")
  func noFolder() throws {
    for environment in [["HOME": nil, "XDG_CACHE_HOME": nil], ["XDG_CACHE_HOME": "/dev/null/x"]] as [[String: String?]]
    {
      for _ in 0..<2 {
        let tool = try ToolProcess.run("mqpub", options + ["--tls-info"], environment: environment, home: home)
        #expect(tool.end == .exited(0), "\(tool.errorText)")
        #expect(tool.outputText.contains("resumed       no\n"))
      }
    }
  }
}
