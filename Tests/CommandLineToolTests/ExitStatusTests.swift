import CommandLineTool
import Testing

struct ExitStatusTests {
  @Test(
    "the numbers are those of the interface",
    arguments: [
      (ExitStatus.ok, 0), (.usage, 1), (.identifierRefused, 2), (.unavailable, 3), (.badCredentials, 4),
      (.notAuthorized, 5), (.nothingThere, 6), (.connectionLost, 7), (.certificate, 8), (.notSupported, 10),
      (.cannotConnect, 14), (.proxy, 16), (.badText, 18), (.silence, 19), (.nameNotFound, 20), (.brokerFault, 21),
      (.handshake, 23), (.tooLarge, 25), (.timedOut, 27), (.expectationNotMet, 30), (.goalMissed, 31),
      (.notMeasurable, 32), (.differs, 33), (.partly, 36), (.helper, 69), (.internalError, 70), (.cannotSpool, 73),
      (.output, 74), (.spooled, 75), (.quarantined, 76), (.foreignSpool, 78),
    ] as [(ExitStatus, Int32)])
  func numbers(status: ExitStatus, number: Int32) {
    #expect(status.rawValue == number)
    #expect(ExitStatus.table.filter { $0.status == status }.count == 1)
  }

  @Test("the table is in the order of its numbers and says each thing once")
  func table() {
    let numbers = ExitStatus.table.map(\.status.rawValue)
    #expect(numbers == numbers.sorted())
    #expect(Set(ExitStatus.table.map(\.meaning)).count == numbers.count)
    #expect(ExitStatus.table.allSatisfy { !$0.meaning.hasSuffix(".") && !$0.meaning.isEmpty })
  }

  @Test("[table 3.1, MQTT 3.1.1] a return code is its own status, a reserved one the broker's fault")
  func returnCodes() {
    for code: UInt8 in 1...5 { #expect(ExitStatus.returnCode(code).rawValue == Int32(code)) }
    for code: UInt8 in [6, 27, 127] { #expect(ExitStatus.returnCode(code) == .brokerFault) }
    #expect(ExitStatus.returnCode(0x80).rawValue == 128)
    #expect(ExitStatus.returnCode(0x82).rawValue == 130)
  }

  @Test("[table 2-6, MQTT 5] a reason code is its own status, an unknown one an unspecified error")
  func reasonCodes() {
    #expect(ExitStatus.reasonCode(0x87).rawValue == 135)
    #expect(ExitStatus.reasonCode(0xA2).rawValue == 162)
    #expect(ExitStatus.reasonCode(0xA3).rawValue == 128)
    #expect(ExitStatus.reasonCode(0xFF).rawValue == 128)
  }

  @Test(
    "a later try can help",
    arguments: [
      ExitStatus.unavailable, .connectionLost, .cannotConnect, .silence, .nameNotFound, .timedOut, .spooled,
      .reasonCode(0x88), .reasonCode(0x89), .reasonCode(0x97),
    ])
  func transient(status: ExitStatus) {
    #expect(status.isTransient)
  }

  @Test(
    "a later try cannot help",
    arguments: [
      ExitStatus.ok, .usage, .identifierRefused, .badCredentials, .notAuthorized, .certificate, .notSupported,
      .badText, .brokerFault, .tooLarge, .cannotSpool, .foreignSpool, .reasonCode(0x84), .reasonCode(0x86),
      .reasonCode(0x87), .reasonCode(0x8E), ExitStatus(rawValue: 99),
    ])
  func permanent(status: ExitStatus) {
    #expect(!status.isTransient)
  }
}
