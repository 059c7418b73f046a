import MQTT
import Testing

@testable import mqshell

/// A line as it is read, written so that a table can show it: words with | between them, `<json>` and quotes marked by the
/// brackets « », variables as $(name).
private func reading(_ line: String) -> String {
  do {
    switch try Line(Array(line.utf8)) {
    case .shell(let command): return "shell:\(text(command))"
    case .commands(let commands):
      return commands.map { command in
        let name = command.connection.map { "@\(text($0)) " } ?? ""
        return name + command.words.map(shown).joined(separator: "|")
      }.joined(separator: " ; ")
    }
  } catch {
    return "column \(error.column): \(error.message)"
  }
}

private func shown(_ word: Word) -> String {
  let pieces = word.pieces.map { piece in
    switch piece {
    case .bytes(let bytes): text(bytes)
    case .variable(let name, _): "$(\(name))"
    }
  }.joined()
  return word.isBare ? pieces : "«\(pieces)»"
}

struct LanguageTests {
  @Test(
    "a line falls into commands and words",
    arguments: [
      ("", ""), ("   \t ", ""), ("# a comment; with 'quotes", ""), ("  # indented", ""),
      ("sub #", "sub|#"), ("sub $SYS/# +/a", "sub|$SYS/#|+/a"), ("sub $share/g/a $aws/x", "sub|$share/g/a|$aws/x"),
      ("pub t a;pub u b ;; ", "pub|t|a ; pub|u|b"),
      ("@dev1 pub t x; sub y", "@dev1 pub|t|x ; sub|y"), ("@a:1.b-c_[] use x", "@a:1.b-c_[] use|x"),
      ("pub t user@host", "pub|t|user@host"), ("pub t @file", "pub|t|@file"),
      ("pub t 'a;b # \\ ${x}'", "pub|t|«a;b # \\ ${x}»"), ("pub t ''", "pub|t|«»"),
      ("pub t \"a\\n\\t\\\"\\\\\\$\\x41\"", "pub|t|«a\n\t\"\\$A»"),
      ("pub t \"${a} b\"", "pub|t|«$(a) b»"), ("pub ${a}/${b.c}/d x", "pub|$(a)/$(b.c)/d|x"),
      ("pub t ${last.json.a[0].b}", "pub|t|$(last.json.a[0].b)"),
      ("pub t cost$ $5 $x", "pub|t|cost$|$5|$x"), ("pub t \\${a}", "pub|t|«${a}»"),
      ("pub t a\\ b\\;c\\'d", "pub|t|a b;c'd"),
      ("pub t {\"a b\": [1, \"}\\\"\", {}]} x", "pub|t|«{\"a b\": [1, \"}\\\"\", {}]}»|x"),
      ("pub t [1, 2];sub x", "pub|t|«[1, 2]» ; sub|x"), ("pub t {\"n\":\"${a}\"}", "pub|t|«{\"n\":\"${a}\"}»"),
      ("pub t a{b}c", "pub|t|a{b}c"), ("pub t \\{a", "pub|t|«{a»"), ("\\@x y", "«@x»|y"),
      ("!echo ${HOME}; ls | wc", "shell:echo ${HOME}; ls | wc"), ("  ! date", "shell: date"),
      ("sub a\r", "sub|a"), ("pub ü/度 'é'", "pub|ü/度|«é»"),
    ])
  func lines(line: String, expected: String) { #expect(reading(line) == expected) }

  @Test(
    "a mistake is told with its column",
    arguments: [
      ("pub t 'open", 7, "this ' is never closed"), ("pub t \"open\\\"", 7, "this \" is never closed"),
      ("pub t {\"a\": [1}", 15, "this bracket closes one of the other kind"),
      ("pub t {\"a\": [1]", 7, "this { is never closed"), ("pub t [[1]", 7, "this [ is never closed"),
      ("pub t it's", 9, "a quote within a word: put all of it into quotes, or a backslash before the quote"),
      ("pub t 'a'b", 10, "something stands right behind the closing quote"),
      ("pub ü {}x", 9, "something stands right behind the closing bracket"),
      ("pub t ${", 7, "${ is followed by a name and }; a backslash before it makes it text"),
      ("pub t ${a b}", 7, "${ is followed by a name and }; a backslash before it makes it text"),
      ("pub t \"\\q\"", 8, "in double quotes a backslash stands before n, r, t, \", \\, $ or xHH"),
      ("pub t \"\\x4\"", 8, "in double quotes a backslash stands before n, r, t, \", \\, $ or xHH"),
      ("pub t a\\", 8, "a backslash at the end of the line stands for nothing"),
      ("sub a; @x", 8, "a command is missing behind @x"),
      ("@ sub", 1, "a name of letters, digits and - _ . : belongs behind @"),
      ("@${a} sub", 1, "a name of letters, digits and - _ . : belongs behind @"),
    ])
  func mistakes(line: String, column: Int, message: String) {
    #expect(reading(line) == "column \(column): \(message)")
  }

  @Test("blanks between words are kept, for payloads of several words")
  func blanks() throws {
    guard case .commands(let commands) = try Line(Array("pub t  a \t b".utf8)) else { return }
    #expect(commands[0].words.map { text($0.blanks) } == ["", " ", "  ", " \t "])
    #expect(commands[0].words.map(\.column) == [1, 5, 8, 12])
  }

  @Test("no line, however damaged, is the end of the shell")
  func anything() {
    var seed: UInt64 = 7
    let alphabet = Array("pub @#!;'\"\\{}[]$ xn4\t\u{0}é".utf8) + [0xFF, 0xC3]
    for _ in 0..<20_000 {
      let line = (0..<Int.random(in: 0...24)).map { _ in
        seed = seed &* 6_364_136_223_846_793_005 &+ 1
        return alphabet[Int(seed >> 33) % alphabet.count]
      }
      _ = try? Line(line)
    }
  }
}

struct SecretMaskTests {
  @Test(
    "what only the user may see is masked in what is kept",
    arguments: [
      ("open host -u ann -P secret", "open host -u ann -P ****"), ("open -Psecret host", "open -P**** host"),
      ("open host --pw=secret -k 5", "open host --pw=**** -k 5"),
      ("open host --pw 'two words' ; sub #", "open host --pw **** ; sub #"),
      ("fails 4 @a open x=mqtt://ann:secret@host:1 -V 5", "fails 4 @a open x=mqtt://ann:****@host:1 -V 5"),
      ("open mqtt://ann@host", "open mqtt://ann@host"),
      ("open host --pw-from 'command:pass show x'", "open host --pw-from ****"),
      ("open host --pw-from env:NAME", "open host --pw-from env:NAME"), ("pub t -P secret", "pub t -P secret"),
      ("open host -D connect authentication-data secret", "open host -D connect authentication-data ****"),
      ("!curl -u a:b x", "!curl -u a:b x"), ("pub t 'open", "pub t 'open"),
    ])
  func masked(line: String, kept: String) {
    #expect(Secrets.masked(Array(line.utf8)).map { text($0) } == kept)
  }

  @Test("a line that is not understood and may hold a secret is not kept at all")
  func unknown() {
    #expect(Secrets.masked(Array("open host -P 'secret".utf8)) == nil)
    #expect(Secrets.masked(Array("open mqtt://ann:se'cret@host".utf8)) == nil)
  }
}

struct FilterOverlapTests {
  @Test(
    "two filters overlap when a topic name matches both [MQTT-4.7.1-2] [MQTT-4.7.2-1]",
    arguments: [
      ("a", "a", true), ("a", "b", false), ("a/+", "a/b", true), ("a/+", "+/b", true), ("a/+/c", "a/b/d", false),
      ("#", "a/b", true), ("#", "$SYS/x", false), ("$SYS/#", "$SYS/x", true), ("+/x", "$SYS/x", false),
      ("a/#", "a", true), ("a/#", "b/#", false), ("a/b", "a", false), ("$share/g/a/+", "a/b", true),
      ("a/+", "a/b/c", false),
      ("a/#", "a/+/+", true), ("+", "a/#", true),
    ])
  func overlaps(one: String, other: String, expected: Bool) throws {
    let (first, second) = (try TopicFilter(one), try TopicFilter(other))
    #expect(first.overlaps(second) == expected)
    #expect(second.overlaps(first) == expected)
  }
}
