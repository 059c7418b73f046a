internal import CommandLineTool

/// What the manual page says beside the options.
extension ShellSettings {
  /// The options of a verb. Those of 'open' are mqshell's, but for those that have a letter only.
  private static func options(of verb: Verb) -> String {
    let own = verb.options.filter { verb.options.count < 10 || $0.long.isEmpty }
    if own.isEmpty { return "" }
    let texts = own.map { option in
      (option.spellings.first ?? "") + (option.valueName.map { " \($0)" } ?? "") + ", " + option.plainSummary
    }
    let beginning =
      verb.options.count < 10 ? " Options: " : " Besides the options above, which have all letters of mqsub here: "
    return beginning + texts.joined(separator: "; ") + "."
  }

  static let paragraphs = [
    """
    mqshell keeps connections to MQTT brokers open and takes commands: publish, subscribe, ask, wait, test. On a terminal they are \
    typed, and messages appear above the line that is being typed. From a file, a pipe or {-c} they are a script, which ends with the \
    first command that fails, and with its status.
    """,
    """
    HOST or URL is connected to at once; in the shell it is 'open'. A word that ends in .mq or has a slash in it is a script. Three \
    commands show everything that happens at the broker of this machine: open localhost, sub #, and quit when enough was seen.
    """,
    """
    The keys of GNU readline edit the line, in its Emacs and vi modes. TAB completes commands, options, property names, connections, \
    files, and topics level by level: those that were seen and those whose values the broker keeps. Ctrl-C gives up the line or the \
    command that runs, Ctrl-D ends the shell. Control characters in topics and payloads are shown escaped.
    """,
  ]

  static let chapters: [ToolDescription.Chapter] = [
    .init(
      "LANGUAGE",
      [
        """
        A line is one or more commands with ; between them. A line whose first character is # is a comment; anywhere else # is \
        the wildcard of MQTT. A command is a verb, its options, and its other words. @NAME before it says which connection it is \
        for.
        """
      ],
      entries: [
        .init(
          "bare word",
          """
          Ends at a blank or ;. $SYS, # and + stand as they are. A backslash takes the next character as it is, and in front of a \
          word makes it plain text. It has no quotes within.
          """),
        .init("'single quotes'", "All between them as it is."),
        .init("\"double quotes\"", "With \\n, \\r, \\t, \\\", \\\\, \\$ and \\xHH for a byte, and with variables."),
        .init(
          "JSON",
          "A word that begins with { or [ reaches to the bracket that closes it, blanks and quotes included, as it is."),
        .init(
          "${NAME}",
          """
          A variable; without braces a dollar sign is text. What it stands for is not looked at again. An unknown one is an error.
          """),
        .init(
          "!COMMAND",
          """
          A line that sh runs. The last message's payload is its standard input, all else about it is in MESSAGE_TOPIC, \
          MESSAGE_QOS, MESSAGE_RETAIN, MESSAGE_TIME and so on. Variables in braces are the shell's.
          """),
      ],
      remarks: [
        """
        A payload is the rest of the command as it was typed, without quotes around words. @FILE is the contents of a file, \
        hex:01ff and base64:Af8= are bytes, null is no payload at all.
        """
      ]),
    .init(
      "VARIABLES", ["'let' sets them. These are given:"],
      entries: Variables.reserved.map { .init("${\($0.name)}", sentence($0.meaning)) }),
    .init(
      "COMMANDS", [],
      entries: Verb.all.map { verb in
        .init(
          verb.usage,
          "\(sentence(verb.summary)) \(verb.details)\(options(of: verb))")
      }),
    .init(
      "TESTS",
      [
        """
        'expect' and 'get' take tests of three words, FIELD OPERATOR VALUE. A value with blanks stands in quotes. A message has to \
        pass all of them.
        """
      ],
      entries: [
        .init(
          "FIELD",
          """
          payload, topic, qos, retain, size, content-type, response-topic, user.NAME, or a path in a payload that is JSON: . for all \
          of it, .name.list[2] for a part.
          """),
        .init(
          "OPERATOR",
          """
          = and != compare bytes, and in JSON values. < <= > >= compare numbers. ~ and !~ are for a POSIX extended regular \
          expression.
          """),
      ]),
    .init(
      "SCRIPTS",
      [
        """
        There are no races: every message that comes is kept, and 'expect' looks at those that no expectation has had before it \
        waits for more. 'sub' ends when the broker has answered and the values that it keeps have come, 'pub' at QoS 1 and 2 when \
        the broker has acknowledged.
        """,
        """
        The exit status is 0 when all went well, 30 when an expectation was not met, else that of the command that failed. \
        'finally' commands run in any case. Notices of what is done go to standard error with {--log} notice.
        """,
      ]),
  ]

  private static func sentence(_ text: String) -> String { "\(text.prefix(1).uppercased())\(text.dropFirst())." }

  /// A script that tests a will and offline delivery.
  static let script = """
    # offline delivery and will
    open a=localhost -i dev-${run} -c -V 5 -x 60 --will-topic t/${run}/will --will-payload gone
    open b=localhost
    finally @b clear t/${run}/#
    @a sub -q 1 t/${run}/cmd
    @b sub t/${run}/will
    # --drop ends the TCP connection without DISCONNECT, so the will is due
    @a close --drop
    @b expect t/${run}/will payload = gone within 5s
    @b pub -q 1 t/${run}/cmd {"n":1}
    open a=localhost -i dev-${run} -c -V 5 -x 60
    @a expect t/${run}/cmd .n = 1 within 5s
    fails 135 @b pub -q 1 forbidden/x 1
    """
}
