internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Verbs about scripts and about the shell itself.
extension Verb {
  static let scriptVerbs: [Verb] = [
    Verb(
      name: "every", section: .scripts, form: "[TIME COMMAND]", summary: "run a command again and again, until 'stop'",
      details:
        "The times are counted from the first one, so that nothing adds up. Alone it lists what runs, with its numbers.",
      examples: [
        Example("A beat.", "every 5s pub alive ${now}"), Example("On another connection.", "every 1s @hall pub t 1"),
        Example("No more.", "stop"),
      ]
    ) { (shell, call) throws(ShellError) in
      guard let first = call.words.first else {
        if shell.jobs.isEmpty { return shell.note("nothing runs") }
        for job in shell.jobs { shell.screen.line("\(job.number)  \(job.text)") }
        return
      }
      let term = try shell.fill([first])[0]
      let period = try reading { () throws(UsageError) in try term.argument.durationAboveZero() }
      var command = try call.command(from: call.words.dropFirst(), "every")
      command.connection = command.connection ?? call.connectionName ?? shell.currentName.map { Array($0.utf8) }
      let job = shell.addJob("every \(text(term.bytes)) \(command.text)", .every(period, command))
      shell.note("job \(job.number)")
    },
    Verb(
      name: "stop", section: .scripts, form: "[N]", summary: "end what 'every' and 'serve' have begun",
      details: "Without a number all of it.",
      examples: [
        Example("Everything.", "stop"), Example("One of them.", "stop 2"),
        Example("What it might be.", "every 1s pub alive 1"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let number = terms.number()
      try terms.end()
      if let number, !shell.jobs.contains(where: { $0.number == number }) { throw .usage("there is no job \(number)") }
      if shell.jobs.isEmpty { shell.note("nothing runs") }
      for job in shell.jobs where number == nil || job.number == number {
        shell.note("stopped \(job.number): \(job.text)")
      }
      shell.jobs.removeAll { number == nil || $0.number == number }
    },
    Verb(
      name: "finally", section: .scripts, form: "COMMAND", summary: "run a command at the end, however that comes",
      details: "Several run in the opposite order.",
      examples: [
        Example("Leave nothing behind.", "finally clear t/${run}/#"),
        Example("On a connection of that name.", "finally @b pub state idle"),
        Example("See what is left.", "finally clear --dry-run t/${run}/#"),
      ]
    ) { (shell, call) throws(ShellError) in
      var command = try call.command(from: call.words, "finally")
      command.connection = command.connection ?? call.connectionName ?? shell.currentName.map { Array($0.utf8) }
      shell.finals.append((command, shell.place))
    },
    Verb(
      name: "test", section: .scripts, form: "NAME", summary: "name the expectations that follow",
      details: "For --tap. 'expect no' looks at the messages that came since then.",
      examples: [
        Example("A name with blanks.", "test \"the lamp follows its switch\""),
        Example("What it is the name of.", "expect lamp payload = ON"),
        Example("Only messages from here on count.", "test quiet; expect no alarm/#"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let name = text(try terms.next("NAME").bytes)
      try terms.end()
      shell.tap?.title = name
      for connection in shell.connections { connection.testMark = connection.store.end }
    },
    Verb(
      name: "sleep", section: .scripts, form: "TIME", summary: "wait",
      examples: [
        Example("Messages are shown meanwhile.", "sleep 10s"), Example("Less than a second.", "sleep 300ms"),
        Example("For a message rather than a time.", "expect t/ready within 1m"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let time = try terms.duration("TIME")
      try terms.end()
      _ = try shell.wait(until: .now + time) { false }
    },
    Verb(
      name: "source", section: .scripts, form: "FILE", summary: "run the commands in a file",
      details: "It ends at the first that fails.",
      examples: [
        Example("A script.", "source lamp.mq"), Example("One that was saved.", "source session.mq"),
        Example("The same from outside.", "!mqshell lamp.mq"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let path = try terms.next("FILE")
      try terms.end()
      try shell.runFile(path.bytes)
    },
    Verb(
      name: "let", section: .scripts, form: "NAME VALUE", summary: "set a variable, for ${NAME}",
      details: "'help variables' tells which there are already.",
      examples: [
        Example("A topic.", "let base site/7/${run}"), Example("A part of the last message.", "let id ${last.json.id}"),
        Example("Used.", "sub ${base}/#"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let name = try terms.next("NAME")
      guard !terms.isEmpty else { _ = try terms.next("VALUE"); return }
      try shell.variables.set(name, to: terms.text())
    },
  ]

  static let shellVerbs: [Verb] = [
    Verb(
      name: "set", section: .shell, form: "[qos N|retain on|within TIME|format FORMAT|mute on|keep-going on]",
      summary: "change what holds where nothing else is said",
      details: """
        qos and retain are for pub and sub, within is for expect and req. FORMAT is short, verbose, json, hexdump, or a format of \
        mqsub -F such as '%I %t %p'. With mute, messages are kept and counted without being shown. With keep-going, a script goes on \
        after an expectation that was not met. Without words, set shows all of it.
        """,
      examples: [
        Example("Wait longer.", "set within 30s"), Example("Another format.", "set format '%I %t %p'"),
        Example("Silence.", "set mute on"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.set(call) },
    Verb(
      name: "save", section: .shell, form: "[messages] FILE", summary: "save the commands that were typed, as a script",
      details:
        "Secrets are masked. With the word messages, the messages are saved instead, as lines of JSON for mqpub --stdin-json.",
      examples: [
        Example("The session.", "save session.mq"), Example("What came.", "save messages today.json"),
        Example("Run it again.", "source session.mq"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.save(call) },
    Verb(
      name: "history", section: .shell, form: "[N]", summary: "show the last lines that were typed",
      details: "Ctrl-R searches in them, and the arrow keys bring them back.",
      examples: [
        Example("The last twenty.", "history"), Example("More.", "history 100"),
        Example("As a script.", "save session.mq"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let count = terms.number() ?? 20
      try terms.end()
      for line in (shell.history?.lines ?? shell.typed).suffix(count) { shell.screen.line(text(line)) }
    },
    Verb(
      name: "help", section: .shell, form: "[VERB]", summary: "list the commands, or tell about one",
      details: "In place of VERB: language, variables, tests and scripts are chapters of the manual.",
      examples: [
        Example("All of them.", "help"), Example("One of them.", "help expect"),
        Example("How words are quoted.", "help language"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      guard let name = terms.nextIfAny() else { return shell.help() }
      try terms.end()
      guard let verb = Verb.named(name.bytes) else {
        let title = text(name.bytes).uppercased()
        guard let chapter = ShellSettings.chapters.first(where: { $0.title == title && title != "COMMANDS" }) else {
          throw .usage("\"\(text(name.bytes))\" is no command; 'help' lists them")
        }
        for line in chapter.help { shell.screen.line(line) }
        return
      }
      for line in verb.help { shell.screen.line(line) }
    },
    Verb(
      name: "quit", section: .shell, form: "", summary: "take leave of the brokers and end",
      details: "Ctrl-D does the same.",
      examples: [
        Example("Good-bye.", "quit"), Example("The same.", "exit"), Example("Only from one broker.", "close hall"),
      ]
    ) { (shell, call) throws(ShellError) in
      try Terms(call, shell).end()
      shell.quit()
    },
  ]

  static let all = connectionVerbs + messageVerbs + expectationVerbs + scriptVerbs + probeVerbs + shellVerbs
}

extension Call {
  /// A command in a command.
  func command(from words: ArraySlice<Word>, _ verb: String) throws(ShellError) -> Command {
    guard !words.isEmpty else { throw .usage("\(verb): COMMAND is missing: \(verb) \(self.verb.form)") }
    let command: Command
    do { command = try Command(words) } catch { throw .language(error) }
    guard Verb.named(command) != nil else { throw Verb.unknown(command) }
    return command
  }
}

extension Command {
  /// How it might have been typed, for lists.
  var text: String {
    let name = connection.map { "@\(mqshell.text($0)) " } ?? ""
    return name
      + words.map { word in
        word.pieces.map { piece in
          switch piece {
          case .bytes(let bytes): mqshell.text(bytes)
          case .variable(let name, _): "${\(name)}"
          }
        }.joined()
      }.joined(separator: " ")
  }
}

extension Shell {
  // MARK: - Settings

  func set(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    guard let name = terms.nextIfAny() else { return showPreferences() }
    guard let first = terms.first else { _ = try terms.next("VALUE"); return }
    let value = Argument(terms.text(), from: first.argument.source)
    try reading { () throws(UsageError) in
      let isOn = { () throws(UsageError) in try value.choice([("on", true), ("off", false)]) }
      switch text(name.bytes) {
      case "qos": preferences.qos = try value.choice([("0", .atMostOnce), ("1", .atLeastOnce), ("2", .exactlyOnce)])
      case "retain": preferences.retains = try isOn()
      case "within": preferences.within = try value.durationAboveZero()
      case "mute": preferences.isMuted = try isOn()
      case "keep-going": preferences.keepsGoing = try isOn()
      case "format": (screen.format, preferences.format) = (try format(value), value.bytes)
      default:
        throw UsageError(
          "\"\(text(name.bytes))\" is no setting; there are qos, retain, within, format, mute and keep-going")
      }
    }
  }

  private func format(_ value: Argument) throws(UsageError) -> Screen.Format {
    var options = MessageFormat.Options(isForTerminal: screen.isTerminal)
    options.isColored = screen.isColored
    switch text(value.bytes) {
    case "short": return .short
    case "verbose": return .other(MessageFormat(.verbose(showsTime: false), options))
    case "json": return .other(MessageFormat(.json, options))
    case "hexdump": return .other(MessageFormat(.hexadecimalDump(showsTopic: true), options))
    default:
      guard value.bytes.contains(UInt8(ascii: "%")) else {
        throw UsageError("a format is short, verbose, json, hexdump, or has conversions such as %t and %p")
      }
      return .other(MessageFormat(.custom(try FormatString(value.bytes)), options))
    }
  }

  private func showPreferences() {
    table([
      ("qos", "\(preferences.qos?.rawValue ?? 0)"), ("retain", preferences.retains ? "on" : "off"),
      ("within", milliseconds(preferences.within ?? Self.standardPatience)), ("format", text(preferences.format)),
      ("mute", preferences.isMuted ? "on" : "off"), ("keep-going", preferences.keepsGoing ? "on" : "off"),
    ])
  }

  // MARK: - Saving

  func save(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    var contents: [UInt8] = []
    let savesMessages = terms.rest.count > 1 && terms.take("messages")
    let path = try terms.next("FILE")
    try terms.end()
    var number = 0
    if savesMessages {
      var output = OutputBuffer(descriptor: -1, limit: .max)
      var format = MessageFormat(.json)
      let messages = try connection(call).store.messages
      for message in messages { message.withView { _ = format.append($0, at: message.time, to: &output) } }
      contents = output.withBytes { Array($0) }
      number = messages.count
    } else {
      // What looked around or only concerned the terminal is no part of a script.
      let isForEyes = { (line: [UInt8]) in
        ["save", "help", "history", "quit", "exit", "last", "show", "conns", "subs"].contains { word in
          line.drop(while: isBlank).prefix { !isBlank($0) }.elementsEqual(word.utf8)
        }
      }
      let lines = typed.filter { !isForEyes($0) }
      contents = lines.flatMap { $0 + [UInt8(ascii: "\n")] }
      number = lines.count
    }
    do { try NewFile.write(contents, to: path.bytes) } catch {
      throw ShellError(.output, "\(text(path.bytes)): \(error.explanation)")
    }
    note("\(count(number, savesMessages ? "message" : "line")) saved in \(text(path.bytes))")
  }

  // MARK: - Help

  func help() {
    screen.line("To see what happens at a broker:")
    for (command, meaning) in [
      ("open localhost", "connect; another host, user or port: help open"), ("sub #", "show every message"),
      ("pub a/topic some text", "publish one"),
    ] {
      screen.line("  \(command)" + String(repeating: " ", count: 26 - command.utf8.count) + meaning)
    }
    screen.line("")
    for section in Verb.Section.allCases {
      let names = Verb.all.filter { $0.section == section }.map(\.name).joined(separator: "  ")
      screen.line("  \(section.rawValue)" + String(repeating: " ", count: 14 - section.rawValue.utf8.count) + names)
    }
    screen.line("")
    screen.line("'help VERB' tells about each, with examples; 'help language', 'help variables',")
    screen.line("'help tests' and 'help scripts' about all of them, as does 'man mqshell'.")
    screen.line("TAB completes, topics too. Ctrl-R searches, Ctrl-C cancels, Ctrl-D leaves.")
  }
}

extension Verb {
  /// What `help` says of it, on one screen.
  var help: [String] {
    var lines = wrapped(usage, indent: 0) + ["  \(sentence(summary))"]
    lines += wrapped(details, indent: 2)
    let shown = mainOptions.isEmpty ? options : mainOptions.compactMap { name in options.first { $0.name == name } }
    if !shown.isEmpty {
      lines.append("")
      let heads = shown.map { option in
        let spellings = mainOptions.isEmpty ? option.spellings : Array(option.spellings.prefix(1))
        return spellings.joined(separator: ", ") + (option.valueName.map { " \($0)" } ?? "")
      }
      let width = min(20, heads.map(\.count).max() ?? 0)
      for (option, head) in zip(shown, heads) {
        // The summary begins behind the head, or below one that is too long.
        let summary = wrapped(option.plainSummary, indent: width + 4)
        if head.count > width {
          lines += ["  \(head)"] + summary
        } else {
          lines.append("  \(head)" + (summary.first ?? "").dropFirst(head.count + 2))
          lines += summary.dropFirst()
        }
      }
      if !mainOptions.isEmpty { lines.append("  More, such as wills, WebSocket and proxies: man mqshell") }
    }
    lines.append("")
    for example in examples { lines += ["  # \(example.explanation)", "  \(example.command)"] }
    return lines
  }

  private func sentence(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() + "." }
}

extension ToolDescription.Chapter {
  /// What `help` shows of it.
  fileprivate var help: [String] {
    var lines = paragraphs.flatMap { wrapped(ManualText.plain($0), indent: 0) }
    for entry in entries { lines += ["  \(entry.name)"] + wrapped(ManualText.plain(entry.explanation), indent: 6) }
    return lines + remarks.flatMap { wrapped(ManualText.plain($0), indent: 0) }
  }
}

private func wrapped(_ text: String, indent: Int) -> [String] {
  var lines: [String] = []
  var line = ""
  for word in text.split(separator: " ") {
    if !line.isEmpty, line.count + word.count + 1 > 80 {
      lines.append(line)
      line = ""
    }
    line += line.isEmpty ? String(repeating: " ", count: indent) + word : " \(word)"
  }
  return line.isEmpty ? lines : lines + [line]
}
