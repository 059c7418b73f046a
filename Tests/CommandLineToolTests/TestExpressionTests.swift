import MQTT
import TestSupport
import Testing

@testable import CommandLineTool

/// A message to test: QoS 1, retained.
private func message(_ payload: String) -> SampleMessage {
  SampleMessage(
    body: WireNotation(
      """
      s* 'home/front/door' m7 [ 03 s* 'text/plain' 08 s* 're/ply' 26 s* 'unit' s* 'C' 26 s* 'n' s* '20' 26 s* 'n' s* '30' ] \
      '\(payload.replacing("'", with: "''"))'
      """), flags: 0b0011)
}

private func passes(_ test: String, _ payload: String = "21.5") throws -> Bool {
  let test = try TestExpression(bytes(test))
  return try message(payload).with { test.passes($0) }
}

private let sampleJSON = #"""
  {"battery":19.50,"big":9007199254740993,"name":"d\u006For \n","on":true,"off":null,"list":[1,{"x":"y"}],"":0,
   "plain":"20","twice":1,"twice":2}
  """#

struct TestExpressionTests {
  @Test(
    "text is compared byte by byte",
    arguments: [
      ("payload = ONLINE", true), ("payload=ONLINE", true), ("  payload  =  ONLINE  ", true),
      ("payload = online", false),
      ("payload = ONLIN", false), ("payload = ONLINE2", false), ("payload != ONLINE", false), ("payload != x", true),
      ("payload =", false), ("payload !=", true), ("topic = home/front/door", true),
      ("topic != home/front/door", false),
      ("content-type = text/plain", true), ("content-type != text/plain", false), ("response-topic = re/ply", true),
      ("user.unit = C", true), ("user.unit = F", false), ("user.n = 20", true), ("user.n = 30", true),
      ("user.n = 40", false),
    ])
  func text(test: String, passing: Bool) throws {
    #expect(try passes(test, "ONLINE") == passing)
  }

  @Test(
    "quotes keep blanks, and are needed for nothing else",
    arguments: [
      ("payload = \" a \"", " a ", true), ("payload = ' a '", " a ", true), ("payload =  a ", "a", true),
      ("payload = a b = c", "a b = c", true), ("payload = \"a'", "\"a'", true), ("payload = '\"a\"'", "\"a\"", true),
      ("payload = \"", "\"", true), ("payload = ''", "", true), ("payload =", "", true), ("payload = '=a'", "=a", true),
      ("payload = é", "é", true), ("payload = e\u{301}", "\u{E9}", false),
    ])
  func quotes(test: String, payload: String, passing: Bool) throws {
    #expect(try passes(test, payload) == passing)
  }

  @Test(
    "numbers are ordered by value, and where one side is none the test fails",
    arguments: [
      ("payload < 22", "21.5", true), ("payload < 21.5", "21.5", false), ("payload <= 21.50", "21.5", true),
      ("payload > 21.4999999999999999999999", "21.5", true), ("payload >= 22", "21.5", false),
      ("payload > 9", "10", true),
      ("payload < 22", "21.5\n", true), ("payload < 22", "21.5 C", false), ("payload >= 22", "21.5 C", false),
      ("payload < 22", "", false), ("payload > -1e400", "-5", true), ("user.n < 25", "", true),
      ("user.n > 25", "", true),
      ("user.n > 35", "", false), ("topic < 5", "", false),
    ])
  func order(test: String, payload: String, passing: Bool) throws {
    #expect(try passes(test, payload) == passing)
  }

  @Test(
    "QoS, retain and size are numbers",
    arguments: [
      ("qos = 1", true), ("qos != 1", false), ("qos >= 1", true), ("qos > 1", false), ("qos < 2", true),
      ("qos <= 0", false),
      ("retain = true", true), ("retain = 1", true), ("retain = false", false), ("retain != 0", true),
      ("size = 4", true),
      ("size > 3", true), ("size < 4", false), ("size = 04", true),
    ])
  func ownNumbers(test: String, passing: Bool) throws {
    #expect(try passes(test) == passing)
  }

  @Test(
    "~ searches with a POSIX extended regular expression",
    arguments: [
      ("topic ~ /(door|window)$", true), ("topic !~ /(door|window)$", false), ("topic ~ ^door", false),
      ("topic !~ ^door", true), ("payload ~ ^[0-9]+\\.[0-9]{1,2}$", true), ("payload ~ ^..$", false),
      ("payload ~ ' '", false),
      ("content-type ~ ^text/", true), ("user.unit ~ ^(C|F)$", true), ("user.n ~ ^3", true), ("payload~1", true),
    ])
  func expressions(test: String, passing: Bool) throws {
    #expect(try passes(test) == passing)
  }

  @Test("expressions see all bytes, those behind a NUL as well, and an empty payload")
  func binary() throws {
    let payload = SampleMessage(body: "s* 't' [] 61 00 0a ff 62")
    #expect(try payload.with(TestExpression(bytes("payload ~ b$")).passes))
    #expect(try payload.with(TestExpression(bytes("payload ~ ^a")).passes))
    #expect(try !payload.with(TestExpression(bytes("payload ~ a$")).passes))
    #expect(try payload.with(TestExpression(bytes("payload ~ ..b$")).passes))
    #expect(try payload.with(TestExpression([UInt8]("payload ~ ".utf8) + [0xFF]).passes))
    #expect(try payload.with(TestExpression(bytes("payload !~ x")).passes))
    let empty = SampleMessage(body: "s* 't' []")
    #expect(try empty.with(TestExpression(bytes("payload ~ ^$")).passes))
    #expect(try !empty.with(TestExpression(bytes("payload ~ .")).passes))
  }

  @Test(
    "values in JSON are compared as what they are",
    arguments: [
      (".battery < 20", true), (".battery = 19.5", true), (".battery = 1950e-2", true), (".battery != 19.5", false),
      (".battery = x", false), (".battery != x", true), (".battery >= 20", false), (".big = 9007199254740993", true),
      (".big = 9007199254740992", false), (".big > 9007199254740992", true), (".name = 'door \n'", true),
      (".name = door", false), (".name ~ ^door", true), (".name !~ oo", false), (".plain = 20", true),
      (".plain = 20.0", false), (".plain < 30", false), (".plain > 10", false), (".plain ~ ^20$", true),
      (".on = true", true),
      (".on != true", false), (".on = 1", false), (".on ~ ^t", true), (".off = null", true), (".off = ''", false),
      (".list[0] = 1", true), (".list[1].x = y", true), (".list ~ x", true), (".list = [1]", false),
      (".list != [1]", true),
      (".twice = 2", true), (".battery ~ ^19\\.50$", true),
    ])
  func json(test: String, passing: Bool) throws {
    #expect(try passes(test, sampleJSON) == passing)
  }

  @Test(
    "the whole payload may be one value",
    arguments: [(". = 5", "5.0", true), (". = a", "\"a\"", true), (".[1] > 1", "[1,2]", true), (". < 3", " 2 ", true)])
  func wholeJSON(test: String, payload: String, passing: Bool) throws {
    #expect(try passes(test, payload) == passing)
  }

  @Test(
    "a test of something that is not there fails, whatever it asks",
    arguments: [
      (".nope = 1", sampleJSON), (".nope != 1", sampleJSON), (".list[2] != 1", sampleJSON),
      (".battery.x !~ y", sampleJSON), (".a != 1", "no JSON"),
      (".a != 1", "{\"a\":2} x"), (". !~ x", ""), ("user.nope != 1", ""), ("user.nope !~ 1", ""), ("user.Unit = C", ""),
    ])
  func missing(test: String, payload: String) throws {
    #expect(try !passes(test, payload))
  }

  @Test(
    "properties that a message does not have fail every test", arguments: ["content-type != x", "response-topic !~ x"])
  func missingProperties(test: String) throws {
    let bare = SampleMessage(body: "s* 't' 'x'", version: .v311)
    #expect(try !bare.with(TestExpression(bytes(test)).passes))
  }

  @Test(
    "mistakes are told when the test is read",
    arguments: [
      ("", "a test begins with"), ("Payload = 1", "a test begins with"), ("user. = 1", "a test begins with"),
      ("= 1", "a test begins with"), ("payload", "behind the field comes one of"),
      ("payload ONLINE", "behind the field"),
      ("payload ! 1", "behind the field"), ("payload == 1", "= is the operator"), (".a. = 1", "a name is missing"),
      (".a[x] = 1", "a path in JSON goes on"), ("qos = high", "'high' is no whole number"),
      ("size ~ 1", "~ is for text"), ("qos !~ 1", "~ is for text"),
      ("payload < cold", "'cold' is no number to compare with"),
      (".a >= ", "'' is no number"), ("payload ~ (", "regular expression: "), ("payload ~ [", "regular expression: "),
    ])
  func mistakes(test: String, beginning: String) throws {
    let error = #expect(throws: UsageError.self) { try TestExpression(bytes(test)) }
    let message = try #require(error?.message)
    #expect(message.hasPrefix(beginning), "\(message)")
    #expect(message.count > "regular expression: ".count)
  }

  @Test("tests typed alike are equal")
  func equality() throws {
    #expect(try TestExpression(bytes("payload ~ a")) == TestExpression(bytes("payload ~ a")))
    #expect(try TestExpression(bytes("payload ~ a")) != TestExpression(bytes("payload ~ b")))
  }
}
