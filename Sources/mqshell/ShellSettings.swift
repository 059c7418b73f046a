internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What was typed after `mqshell`.
struct ShellSettings: Sendable {
  var open = OpenWords()
  var output = OutputSettings()
  private var commands: [UInt8]?
  private var target: [UInt8]?
  private var isTAP = false

  private static let own: [Option<ShellSettings>] = [
    Option(
      OptionDescription(
        short: "c", value: .one("COMMANDS"), section: .messages, summary: "run these commands instead of reading any",
        details: "Several are parted by ; or by ends of lines.")
    ) { (settings, value) throws(UsageError) in settings.commands = value.bytes },
    Option(
      OptionDescription(
        long: "tap", section: .output, summary: "report each expectation in the language of TAP",
        details: """
          'expect' and 'fails' are the test points, named by the 'test' before them. Messages are not shown then, and what \
          commands print is a comment.
          """)
    ) { $0.isTAP = true },
    Option(
      OptionDescription(value: .one("BROKER"), section: .general, summary: "the broker, or a script", isHidden: true)
    ) { (settings, value) throws(UsageError) in
      guard settings.target == nil else { throw UsageError("\(value.quoted) is one word too many") }
      settings.target = value.bytes
    },
  ]

  /// Whether somebody has said where the broker is.
  static func namesBroker(_ invocation: Invocation) -> Bool {
    invocation.uses.contains { use in
      use.option < tool.commandLine.options.count
        && ["--host", "--url", "--unix"].contains(tool.commandLine.options[use.option].name)
    }
  }

  private static let outputOptions: [Option<OutputSettings>] = {
    var options = OutputSettings.options.filter { $0.description.name == "--color" }
    for index in options.indices { options[index].description = options[index].description.naming(only: []) }
    return options
  }()

  static let tool = Tool(
    ToolDescription(
      name: .mqshell, purpose: "talk to MQTT brokers, interactively or by a script",
      synopsis: ["[OPTION]... [HOST[:PORT]|URL]", "[OPTION]... [HOST] -c COMMANDS", "[OPTION]... FILE.mq"],
      paragraphs: paragraphs,
      examples: [
        .init("Watch everything on this machine's broker: then type sub #", "mqshell localhost"),
        .init("Without a terminal.", "mqshell localhost -c 'sub home/#; expect home/desk/temp payload > 20 within 1m'"),
        .init("A script that tests an MQTT system.", "mqshell --tap lamp.mq"),
        .init(
          "Such a script: a will, delivery to a session that was away, and a publish that an access list forbids.",
          script),
      ],
      chapters: chapters,
      files: [
        .init("~/.local/state/mqshell/history", "The lines that were typed, without secrets."),
        .init("~/.inputrc", "How keys edit the line, for all programs that use GNU readline."),
      ]),
    settings: ShellSettings(),
    options: Options(own) { $1(&$0) } + Options(outputOptions) { $1(&$0.output) }
      + Options(ConnectionSettings.urlDescriptionWithoutTopic) { (settings, value) throws(UsageError) in
        settings.open.connection.take(try BrokerURL(value))
      }
      + Options(ConnectionSettings.optionsWithLongNames) { $1(&$0.open.connection) }
      + Options(OpenWords.subscribeOptions) { $1(&$0.open.subscribe) },
    otherTools: [OptionTable.publishing, OptionTable.subscribing, OptionTable.requesting])

  /// Does what was typed.
  func run(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    let plan = try plan(invocation)
    let isInteractive =
      plan.script == .standardInput && System.isTerminal(0) && System.isTerminal(1) && !isTAP
    let limit = try open.connection.plan(invocation.compatibility).timeout
    let screen = Screen(try output.plan(invocation.compatibility), isTAP: isTAP)
    let diagnostics = open.connection.diagnostics(invocation.compatibility)
    do throws(SystemError) {
      let shell = try Shell(
        open, invocation, screen: screen, isInteractive: isInteractive, tap: isTAP ? TAPReport() : nil)
      if isInteractive { shell.history = History() }
      shell.runLimit = limit.map { (.now + $0, $0) }
      return shell.run(plan)
    } catch {
      diagnostics.error("\(error.call): \(error.explanation)")
      return .internalError
    }
  }

  /// A word that ends in .mq, or is a path, is a script; any other is a broker.
  private func plan(_ invocation: Invocation) throws(UsageError) -> ShellPlan {
    var plan = ShellPlan(
      target: nil, connectsAtOnce: Self.namesBroker(invocation),
      script: commands.map { .commands($0) } ?? .standardInput)
    guard let target else { return plan }
    let isURL = holds(target, "://") || target.starts(with: "unix:".utf8)
    if !isURL, target.suffix(3).elementsEqual(".mq".utf8) || target.contains(UInt8(ascii: "/")) {
      if commands != nil { throw UsageError("-c: cannot stand together with a script") }
      plan.script = .file(target)
    } else {
      plan.target = target
      plan.connectsAtOnce = true
    }
    return plan
  }
}

/// What the command line means.
struct ShellPlan {
  enum Script: Equatable {
    case commands([UInt8])
    case file([UInt8])
    /// Lines as they come, from a pipe or from somebody at the terminal.
    case standardInput
  }

  /// The broker to connect to at once.
  var target: [UInt8]?
  var connectsAtOnce: Bool
  var script: Script
}
