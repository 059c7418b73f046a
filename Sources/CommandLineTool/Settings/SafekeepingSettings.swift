/// What was typed about files that a subscriber keeps besides its output.
public struct SafekeepingSettings: Sendable {
  /// Where messages are recorded; nil where they are not.
  public internal(set) var recordPath: [UInt8]?
  /// Where it is kept which QoS 2 messages were printed; nil where it is not.
  public internal(set) var statePath: [UInt8]?

  /// The defaults.
  public init() {}

  /// The options of the group.
  public static let options: [Option<SafekeepingSettings>] = [
    Option(
      OptionDescription(
        long: "record", value: .one("FILE"), section: .output,
        summary: "append each message to FILE as a line of JSON too",
        details: """
          The lines are those of {--json}, with the time of each message, and {mqpub --replay} publishes them again. A message is \
          in the file before it is acknowledged. Messages that are left out are not recorded. It works besides the output, \
          which goes to /dev/null where it is not wanted.
          """)
    ) { (settings, value) throws(UsageError) in settings.recordPath = value.bytes },
    Option(
      OptionDescription(
        long: "state", value: .one("FILE"), section: .output,
        summary: "print no QoS 2 message twice, over any number of runs",
        details: """
          FILE knows which messages were printed and not released by the broker, also when a run is killed. It needs a session \
          that the broker keeps ({-c} and {-i}), to which it belongs from then on, and all runs of that session have to use it. \
          Where standard output is a file that only mqsub writes to, also the moment between printing and remembering is \
          covered: a message that a killed run wrote in part is cut off and comes again. What is printed to a pipe \
          or a terminal in that moment may come again.
          """)
    ) { (settings, value) throws(UsageError) in settings.statePath = value.bytes },
  ]
}
