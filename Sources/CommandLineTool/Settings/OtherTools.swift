/// What belongs to which tool, for advice to somebody who gives a tool the option of another.
extension OptionTable {
  /// What mqpub has and others do not.
  public static var publishing: Tool {
    ("mqpub", { PublishSettings.options.map(\.description) })
  }

  /// What mqsub has and others do not.
  public static var subscribing: Tool {
    (
      "mqsub",
      {
        SubscribeSettings.options.map(\.description) + OutputSettings.options.map(\.description)
          + CommandSettings.options.map(\.description) + SafekeepingSettings.options.map(\.description)
          + named("-w", "--watch", "--top")
      }
    )
  }

  /// What mqrr has and others do not.
  public static var requesting: Tool {
    ("mqrr", { RequestSettings.options.map(\.description) + OutputSettings.options.map(\.description) })
  }

  private static func named(_ spellings: String...) -> [OptionDescription] {
    spellings.map { spelling in
      let isLong = spelling.hasPrefix("--")
      return OptionDescription(
        short: isLong ? "" : String(spelling.dropFirst()), long: isLong ? String(spelling.dropFirst(2)) : "",
        section: .general, summary: "")
    }
  }
}
