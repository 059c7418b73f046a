import Testing

@testable import MQTTClient

@Suite struct SCRAMTests {
  /// An exchange of an RFC, as the user `user` with the password `pencil`.
  struct Vector: Sendable {
    var mechanism: SCRAMMechanism
    var nonce, clientFirst, serverFirst, clientFinal, serverFinal: String
  }

  private static let vectors = [
    // RFC 5802, section 5.
    Vector(
      mechanism: .sha1, nonce: "fyko+d2lbbFgONRv9qkxdawL", clientFirst: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
      serverFirst: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
      clientFinal: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
      serverFinal: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="),
    // RFC 7677, section 3.
    Vector(
      mechanism: .sha256, nonce: "rOprNGfwEbeRWgbNEkqO", clientFirst: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
      serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      clientFinal:
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
    // No RFC has one for SHA-512: made of the same words by Python's hashlib.
    Vector(
      mechanism: .sha512, nonce: "rOprNGfwEbeRWgbNEkqO", clientFirst: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
      serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      clientFinal:
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        + "p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
      serverFinal:
        "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw=="),
  ]

  @Test("RFC 5802, section 5; RFC 7677, section 3: the whole exchange", arguments: vectors)
  func exchange(vector: Vector) throws {
    var scram = begun(vector)
    #expect(try text(scram.proof(for: Array(vector.serverFirst.utf8))) == vector.clientFinal)
    try scram.verify(Array(vector.serverFinal.utf8))
    // With extensions, which need not be understood.
    try scram.verify(Array((vector.serverFinal + ",x=1").utf8))
  }

  private func begun(_ vector: Vector) -> SCRAM {
    var scram = SCRAM(vector.mechanism, userName: Array("user".utf8), password: Array("pencil".utf8))
    #expect(text(scram.begin(nonce: Array(vector.nonce.utf8))) == vector.clientFirst)
    return scram
  }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test("RFC 5802, 5.1: what would end the name stands as its number; a nonce is new each time, and printable")
  func begin() {
    var scram = SCRAM(.sha256, userName: Array("a,b=c".utf8), password: [])
    let (first, second) = (scram.begin(), scram.begin())
    #expect(text(first).hasPrefix("n,,n=a=2Cb=3Dc,r="))
    #expect(first.count == second.count && first != second)
    #expect(first.dropFirst(17).allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ",") })
  }

  @Test(
    "a broker that begins otherwise gets no proof",
    arguments: [
      ("", "is none of SCRAM-SHA-1"), ("r=fyko+d2lbbFgONRv9qkxdawLx", "is none of"),
      ("r=x,s=QSXCR,i=4096", "is none of"),
      ("m=1,r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=4096", "is none of"),
      ("r=gyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=4096", "does not begin with ours"),
      ("r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096", "does not begin with ours"),
      ("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=4095", "hashed 4095 times"),
      ("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=10000001", "hashed 10000001 times"),
      ("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=99999999999999999999", "times"),
      ("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=-1", "times"),
    ])
  func strangers(message: String, words: String) {
    var scram = begun(Self.vectors[0])
    let error = #expect(throws: SCRAMFailure.self) { try scram.proof(for: Array(message.utf8)) }
    #expect(error?.explanation.contains(words) == true, "\(error?.explanation ?? "")")
  }

  @Test("RFC 5802, 9: a broker that does not prove that it knows the password is not believed")
  func noProof() throws {
    let vector = Self.vectors[0]
    var scram = begun(vector)
    // Before it has asked for ours it can prove nothing.
    #expect(throws: SCRAMFailure.self) { try scram.verify(Array(vector.serverFinal.utf8)) }
    _ = try scram.proof(for: Array(vector.serverFirst.utf8))
    for proof in [nil, "", "v=", "v=rmF9pqV8S7suAoZWja4dJRkFsKA=", "e=other-error", "rmF9pqV8S7suAoZWja4dJRkFsKQ="] {
      #expect(throws: SCRAMFailure.self, "\(proof ?? "nothing")") { try scram.verify(proof.map { Array($0.utf8) }) }
    }
    #expect(throws: SCRAMFailure.self) { try scram.proof(for: Array(vector.serverFirst.utf8)) }
    try scram.verify(Array(vector.serverFinal.utf8))
    // The next exchange has a proof of its own.
    _ = scram.begin()
    #expect(throws: SCRAMFailure.self) { try scram.verify(Array(vector.serverFinal.utf8)) }
  }
}
