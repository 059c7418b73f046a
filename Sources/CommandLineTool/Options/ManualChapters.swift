extension ToolDescription.Chapter {
  /// The language of `-F`.
  public static var formats: Self {
    Self(
      "FORMATS",
      [
        """
        The value of {-F} is text in which conversions stand for parts of a message. Between the percent sign and the \
        letter may stand a minus sign, which aligns to the left; a zero, which fills up with zeros; a width; and a point \
        with a precision. Widths and precisions count bytes.
        """
      ],
      entries: [
        .init("%t", "The topic. The precision is the most that is printed of it: %-20.20t is a column of 20 bytes."),
        .init("%p", "The payload, exactly. A width both fills up and cuts."),
        .init(
          "%x %X",
          """
          The payload in hexadecimal digits. The precision is the number of digits in a group, and one more character \
          behind it the separator: %.2:x is 6d:65:73.
          """),
        .init("%l", "The length of the payload."),
        .init(
          "%f %d", "The payload as a float of 4 or a double of 8 bytes in this machine's order; the precision is 6."),
        .init("%q %r %m", "QoS; 1 for a retained message, else 0; packet identifier, 0 with QoS 0."),
        .init("%I", "The time as 2026-11-22T12:55:34+0100."),
        .init("%U", "The time in seconds since 1970, with nine decimals."),
        .init("@c", "What strftime(3) makes of %c, for any letter c. @N are the nanoseconds."),
        .init("%A %S", "Topic alias; subscription identifier, the first one. Only MQTT 5 has it, and the next four."),
        .init("%C %R", "Content type; response topic."),
        .init("%D", "Correlation data, exactly."),
        .init("%E %F", "Message expiry interval; payload format indicator."),
        .init("%P", "User properties, as name:value with blanks between them."),
        .init("%j", "All of it as JSON in the form of mosquitto_sub, the payload as a string."),
        .init("%J", "The same with the payload as the JSON that it is. One that is none is told on standard error."),
        .init("%% @@ \\\\", "Percent sign, at sign, backslash."),
        .init("\\0 \\a \\e \\n \\r \\t \\v", "NUL, bell, escape, line feed, carriage return, tab, vertical tab."),
      ],
      remarks: [
        """
        What a message does not have is empty. Without {-F} a message without payload prints nothing at all, with {-v} \
        it is shown as (null).
        """,
        """
        On a terminal the bytes of messages are shown so that they cannot steer it: control characters as \\n or \\x1B, \
        marks that turn the writing direction as \\u{202E}, bytes that are no UTF-8 as \\xFF. Pipes and files get the \
        exact bytes.
        """,
      ])
  }

  /// The language of `--where` and `--until`.
  public static var tests: Self {
    Self(
      "TESTS",
      [
        """
        A test is FIELD OP VALUE, such as 'payload = ONLINE', '.battery < 20' or 'topic ~ /(door|window)$'. Blanks \
        around OP may be left out.
        """
      ],
      entries: [
        .init(
          "FIELD", "payload, topic, qos, retain, size, content-type, response-topic, user.NAME, or a path in JSON."),
        .init(
          ".name.other[2]",
          """
          A path in a payload that is one JSON text: a member, and an element counted from 0. A point alone is the whole. \
          Without such a part the test fails.
          """),
        .init(
          "= !=",
          """
          Equal, or not: bytes, and in JSON values; numbers are compared as numbers, true, false and null are \
          themselves.
          """),
        .init("< <= > >=", "Numbers, of any length; where one side is none the test fails."),
        .init("~ !~", "An extended regular expression (regex(7)) matches, or not."),
        .init("VALUE", "All the rest without the blanks around it, or what stands in quotes."),
      ],
      remarks: [
        "A test of something that the message does not have fails, also with != and !~. Several tests have to pass all."
      ])
  }

  /// What differs under the name of the client of mosquitto that `program` is.
  public static func compatibility(
    _ program: String, version: String = "MQTT 3.1.1", _ differences: [String]
  ) -> Self {
    Self(
      "COMPATIBILITY",
      [
        """
        Called as \(program), the tool reads that client's configuration file only, takes nothing from MQTOOLS \
        variables, speaks \(version) unless told otherwise, leaves the client identifier to the broker, keeps \
        sessions of {-c} for ever, has status 1 for every failure to connect and for {--help} and {--version}, and \
        shows no colours. Texts on standard error are its own.
        """
      ] + differences)
  }
}
