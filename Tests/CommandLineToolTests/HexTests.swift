import CommandLineTool
import MQTTClient
import Testing

struct HexTests {
  @Test("bytes become two digits each, and back")
  func bothWays() {
    let all = Array(UInt8.min...UInt8.max)
    let digits = output { output in all.withUnsafeBytes { Hex.append($0, to: &output) } }
    #expect(digits.count == 512)
    #expect(String(decoding: digits.prefix(6) + digits.suffix(6), as: UTF8.self) == "000102fdfeff")
    #expect(Hex.decode(digits) == all)
  }

  @Test("capitals are read, and written on request")
  func capitals() {
    #expect(
      outputText { output in [0xAB, 0x0C].withUnsafeBytes { Hex.append($0, uppercase: true, to: &output) } }
        .hasPrefix("AB"))
    #expect(Hex.decode(bytes("aBAb")) == [0xAB, 0xAB])
    #expect(Hex.decode([UInt8]()) == [])
  }

  @Test("anything but pairs of digits is refused", arguments: ["a", "abc", "0g", "0x10", "ab cd", "a\n", "é"])
  func wrongDigits(text: String) {
    #expect(Hex.decode(bytes(text)) == nil)
  }
}

struct Base64Tests {
  @Test(
    "RFC 4648, section 10",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"),
    ])
  func vectors(text: String, encoded: String) {
    #expect(outputText { output in bytes(text).withUnsafeBytes { Base64.append($0, to: &output) } } == encoded)
    #expect(Base64.decode(bytes(encoded)) == bytes(text))
  }

  @Test("the whole alphabet, RFC 4648, table 1")
  func alphabet() {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    // The values 0 to 63, six bits each.
    let packed = Hex.decode(
      bytes(
        "00108310518720928b30d38f41149351559761969b71d79f8218a39259a7a29aabb2dbafc31cb3d35db7e39ebbf3dfbf"))!
    #expect(outputText { output in packed.withUnsafeBytes { Base64.append($0, to: &output) } } == alphabet)
    #expect(Base64.decode(bytes(alphabet)) == packed)
  }

  @Test(
    "anything else is refused",
    arguments: [
      "Z", "Zg", "Zg=", "Zg===", "====", "=", "Z===", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm9v\n", "Zm 9v", "Zm-_", "Zg==Zg==",
      "Zm9vé",
    ])
  func wrongText(text: String) {
    #expect(Base64.decode(bytes(text)) == nil)
  }
}
