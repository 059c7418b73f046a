import Testing

@testable import CommandLineTool

struct PayloadSourceTests {
  @Test(
    "hexadecimal digits and Base64 are decoded, and blanks between them mean nothing",
    arguments: [
      (PayloadEncoding.hex, "", []), (.hex, "00ffA5", [0, 0xFF, 0xA5]), (.hex, "00 ff\n a5\r\n", [0, 0xFF, 0xA5]),
      (.base64, "", []), (.base64, "AP8=", [0, 0xFF]), (.base64, "AP\n8=\n", [0, 0xFF]),
      (.base64, "+/+/", [0xFB, 0xFF, 0xBF]),
      (.text, " 00 ", [0x20, 0x30, 0x30, 0x20]),
    ] as [(PayloadEncoding, String, [UInt8])])
  func decoding(encoding: PayloadEncoding, written: String, expected: [UInt8]) throws {
    #expect(try encoding.decode(bytes(written)) == expected)
    #expect(try PayloadSource.bytes(bytes(written)).load(encoding) == expected)
  }

  @Test(
    "what is no encoding of bytes is told with its place",
    arguments: [
      (PayloadEncoding.hex, "0", "not pairs of hexadecimal digits"), (.hex, "0x12", "not pairs of hexadecimal digits"),
      (.base64, "AP8", "not Base64 with its padding"), (.base64, "AP8-", "not Base64 with its padding"),
    ])
  func mistakes(encoding: PayloadEncoding, written: String, message: String) throws {
    #expect(throws: UsageError("-m: \(message)")) { try PayloadSource.bytes(bytes(written)).load(encoding) }
    let folder = try TemporaryFolder()
    let file = try folder.write(written, to: "payload")
    #expect(throws: UsageError("-f: \(file): \(message)")) {
      try PayloadSource.file(path: bytes(file)).load(encoding)
    }
  }

  @Test("a file that cannot be read is named, with the reason")
  func files() throws {
    let folder = try TemporaryFolder()
    #expect(throws: UsageError("-f: \(folder.path): Is a directory")) {
      try PayloadSource.file(path: bytes(folder.path)).load()
    }
    #expect(throws: UsageError("-f: \(folder.path)/no: No such file or directory")) {
      try PayloadSource.file(path: bytes(folder.path + "/no")).load()
    }
    #expect(try PayloadSource.file(path: bytes(folder.write("", to: "empty"))).load() == [])
  }
}
