internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What was typed about showing messages on a terminal that is filled with them.
struct ScreenSettings: Sendable {
  private var mode: Mode?

  private enum Mode { case top, watch }

  static let options: [Option<ScreenSettings>] = [
    Option(
      OptionDescription(
        long: "top", section: .output, summary: "show topics as a tree with counts, rates and last values",
        details: """
          The tree fills the terminal, and follows what comes; ? lists its keys: they move, expand, sort, filter, pause, and \
          show a message in full. q ends it, and the terminal is as it was. Outages are told on the screen.
          """)
    ) { $0.mode = .top },
    Option(
      OptionDescription(
        short: "w", long: "watch", section: .output, summary: "show each topic's last message on a line of its own",
        details: """
          The lines fill the terminal, in the order in which topics came, and look as {-F}, {-v} and the like say. q ends it.
          """)
    ) { $0.mode = .watch },
  ]

  /// Whether the terminal is filled.
  var isOn: Bool { mode != nil }

  /// Where messages go, or why they cannot be shown so.
  func sink(
    _ plan: SubscribePlan, _ output: OutputPlan, _ lines: HeldLines
  ) throws(UsageError) -> any MessageSink {
    let option = mode == .watch ? "--watch" : "--top"
    if output.isRaw { throw UsageError("\(option): cannot stand together with --raw") }
    let terminal: FullScreen
    do {
      terminal = try FullScreen()
    } catch {
      throw UsageError("\(option): \(error.message)")
    }
    guard mode == .watch else {
      switch output.style {
      case .payload, .verbose: break
      case .hexadecimalDump, .custom, .json:
        throw UsageError("--top: shows topics in its own way; leave -F, --json or --hexdump out")
      }
      return ScreenOutput(LiveView(at: .now), on: terminal, plan.filters, lines)
    }
    return ScreenOutput(
      WatchView(output.format(isTerminal: true)), on: terminal, plan.filters, lines)
  }
}
