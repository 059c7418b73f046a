internal import CommandLineTool

/// The keys of `--top`, as its own help and the manual list them.
enum LiveKeys {
  /// Each with what it does, in half a line.
  static var all: [(keys: String, meaning: String)] {
    [
      ("Up Down k j", "one topic up or down"),
      ("PgUp PgDn Home End", "a screen up or down, the first topic, the last"),
      ("Right l, Left h", "expand, collapse; go inside, go outside"),
      ("Enter Space", "expand or collapse"),
      ("E, C", "expand all, collapse all"),
      ("s, r", "sort by topic, count, rate, bytes, age; reverse that"),
      ("/", "only topics with the text you type; Enter keeps it"),
      ("Esc", "all topics again; back from here"),
      ("d", "all about the selected topic and its last message"),
      ("x", "payloads in hexadecimal digits, or as text"),
      ("p", "pause the display, while counting goes on"),
      ("Ctrl-L", "draw the screen anew"),
      ("q Ctrl-C", "quit"),
    ]
  }
}

extension ToolDescription.Chapter {
  /// What `--top` shows.
  static var liveView: Self {
    Self(
      "LIVE VIEW",
      [
        """
        {--top} fills the terminal with a tree of topics. A row has the number of messages and of payload bytes, the rate in \
        messages a second over the last five, and the time since the last message, of the topic and of all below it; then QoS, \
        r for retained, and the last payload, of the topic itself. Until something is expanded or collapsed, as many levels \
        are shown as have room.
        """,
        """
        Rows change their places once a second at most, figures ten times. At most 200,000 levels of topics are told apart; \
        messages of more topics are counted together. Of a last message 16,384 bytes are kept, and less when topics are very \
        many.
        """,
      ],
      entries: LiveKeys.all.map { .init($0.keys, $0.meaning.prefix(1).uppercased() + $0.meaning.dropFirst() + ".") })
  }
}
