import Testing

@testable import CommandLineTool

@Suite struct GoalTests {
  private func goals(_ text: String) throws -> [Goal] {
    try Goal.goals(in: Argument(Array(text.utf8), from: Source(.commandLine)))
  }

  @Test(
    "a goal compares with its value, in nanoseconds, messages or parts",
    arguments: [
      ("p99<5ms", 4_999_999, 5_000_000), ("p99.99<=300us", 300_000, 300_001), ("min>1s", 1_000_000_001, 1_000_000_000),
      ("mean>=0.5", 500_000_000, 499_999_999), ("max=2s", 2_000_000_000, 2_000_000_001), ("loss=0", 0, 1),
      ("loss<0.1%", 99_999, 100_000), ("rate>=1000", 1_000_000_000, 999_999_999), ("connect<10ms", 0, 10_000_000),
    ])
  func comparing(text: String, met: Int, missed: Int) throws {
    let goal = try #require(try goals(text).first)
    #expect(goal.isMet(by: met))
    #expect(!goal.isMet(by: missed))
    #expect(goal.text == text)
  }

  @Test("several goals stand with blanks between them")
  func several() throws {
    #expect(try goals(" p50<1ms  loss=0 ").map(\.metric) == [.percentile(5_000), .lost])
    #expect(try goals("p99.9<1ms loss<1%").map(\.metric) == [.percentile(9_990), .lostShare])
  }

  @Test(
    "what is no goal is refused and named",
    arguments: [
      ("", "no goal"), ("p99", "needs <"), ("p100<1ms", "'p100'"), ("p0<1ms", "'p0'"), ("p99.999<1s", "'p99.999'"),
      ("p99<5x", "\"5x\""), ("p99<", "\"\""), ("loss=1.5", "\"1.5\""), ("loss<x%", "share"), ("median<1s", "'median'"),
      ("p99==5ms", "\"=5ms\""), ("p99<-5ms", "\"-5ms\""),
    ])
  func mistakes(text: String, words: String) throws {
    let error = #expect(throws: UsageError.self) { try goals(text) }
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
  }

  @Test(
    "a percentile is the value at the nearest rank",
    arguments: [
      ([7], 5_000, 7), ([1, 2], 5_000, 1), ([1, 2, 3], 5_000, 2), ([1, 2, 3, 4], 7_500, 3), ([1, 2, 3, 4], 7_501, 4),
      (Array(1...100), 9_900, 99), (Array(1...100), 9_901, 100), (Array(1...1_000), 9_990, 999),
    ])
  func percentile(sorted: [Int], hundredths: Int, expected: Int) {
    #expect(Goal.percentile(hundredths, of: sorted) == expected)
  }

  @Test("a percentile needs as many samples that one may lie beyond it")
  func samples() {
    #expect(Goal.samplesNeeded(forPercentile: 5_000) == 2)
    #expect(Goal.samplesNeeded(forPercentile: 9_500) == 20)
    #expect(Goal.samplesNeeded(forPercentile: 9_900) == 100)
    #expect(Goal.samplesNeeded(forPercentile: 9_999) == 10_000)
    #expect(Goal.percentile(9_900, of: []) == nil)
  }
}
