import Testing

@testable import mqbench

struct VerdictTests {
  private func verdict(_ change: (inout Evidence) -> Void) -> (Verdict, [Evidence.Sign]) {
    var evidence = Evidence()
    evidence.p99 = 20_000_000
    (evidence.slices, evidence.seconds, evidence.segments) = (300, 30, 100_000)
    change(&evidence)
    return (Verdict(evidence), evidence.signs)
  }

  @Test("a load that was carried is limited by none")
  func none() {
    #expect(verdict { _ in } == (.none, []))
    #expect(Verdict(Evidence()) == .none)
  }

  @Test("loop lag speaks against the tool beyond both 1 ms and a tenth of the p99")
  func loopLag() {
    #expect(verdict { $0.loopLag = 2_000_000 }.0 == .none)
    #expect(verdict { $0.loopLag = 2_000_001 } == (.tool, [.loopLag]))
    #expect(verdict { ($0.p99, $0.loopLag) = (1_000_000, 1_000_000) }.0 == .none)
    #expect(verdict { ($0.p99, $0.loopLag) = (1_000_000, 1_000_001) }.0 == .tool)
    // What never came cannot make a late tool look punctual, but it is the broker's.
    #expect(verdict { ($0.p99, $0.loopLag) = (.max, 1_000_000_000) }.0 == .none)
  }

  @Test("the tool's part of the send delay does beyond both 1 ms and a twentieth of the p99")
  func toolDelay() {
    #expect(verdict { $0.toolDelay = 1_000_000 }.0 == .none)
    #expect(verdict { $0.toolDelay = 1_000_001 } == (.tool, [.toolDelay]))
    #expect(verdict { ($0.p99, $0.toolDelay) = (40_000_000, 2_000_000) }.0 == .none)
    #expect(verdict { ($0.p99, $0.toolDelay) = (40_000_000, 2_000_001) }.0 == .tool)
  }

  @Test("so do a busy worker in more than 5 % of the slices, and stolen time in more than a tenth of the seconds")
  func busy() {
    #expect(verdict { $0.busySlices = 15 }.0 == .none)
    #expect(verdict { $0.busySlices = 16 } == (.tool, [.busyWorker]))
    #expect(verdict { $0.stolenSeconds = 3 }.0 == .none)
    #expect(verdict { $0.stolenSeconds = 4 } == (.tool, [.steal]))
  }

  @Test("a load of which a message is missing was not carried")
  func missing() {
    #expect(verdict { $0.missing = 1 } == (.broker, [.missing]))
    #expect(verdict { ($0.missing, $0.busySlices) = (1, 300) }.0 == .tool)
  }

  @Test("the network is a link beyond 80 %, or one segment in a thousand sent again")
  func network() {
    #expect(verdict { $0.linkShare = 0.8 }.0 == .none)
    #expect(verdict { $0.linkShare = 0.81 } == (.network, [.fullLink]))
    #expect(verdict { $0.retransmits = 100 }.0 == .none)
    #expect(verdict { $0.retransmits = 101 } == (.network, [.retransmits]))
  }

  @Test("the broker is what is left when less than 99 % was sent, or the run was not steady, or nothing was due")
  func broker() {
    #expect(verdict { $0.achieved = 0.99 }.0 == .none)
    #expect(verdict { $0.achieved = 0.9899 } == (.broker, [.notAchieved]))
    #expect(verdict { $0.isSteady = false } == (.broker, [.notSteady]))
    #expect(verdict { $0.isClosed = true } == (.broker, [.closedLoop]))
    // What applies first is given, and what else applies is told.
    #expect(
      verdict { ($0.isSteady, $0.retransmits, $0.busySlices) = (false, 200, 100) }
        == (.tool, [.busyWorker, .retransmits, .notSteady]))
    #expect(verdict { ($0.isSteady, $0.retransmits) = (false, 200) }.0 == .network)
  }
}

private func == (left: (Verdict, [Evidence.Sign]), right: (Verdict, [Evidence.Sign])) -> Bool {
  left.0 == right.0 && left.1 == right.1
}

struct SteadinessTests {
  private func steadiness(
    slope: Double? = 0, rate: Double = 1000, first: Times.Value = .unknown, second: Times.Value = .unknown
  ) -> Steadiness {
    Steadiness(slope: slope, rate: rate, seconds: 30, halves: (first, second))
  }

  @Test("the slope of a backlog is that of the line that fits best")
  func slope() {
    #expect(Steadiness.slope([3, 5, 7, 9]) == 2)
    #expect(Steadiness.slope([4, 4, 4]) == 0)
    #expect(Steadiness.slope([0, 3, 0, 3, 0]) == 0)
    #expect(Steadiness.slope([1, 2]) == nil)
  }

  @Test("a backlog may grow by half a percent of the rate, and by what is no trend")
  func backlog() {
    #expect(steadiness(slope: 5).isSteady)
    #expect(!steadiness(slope: 5.01).isSteady)
    #expect(steadiness(slope: -100).isSteady)
    #expect(steadiness(slope: nil).isSteady)
    #expect(steadiness(slope: 0.09, rate: 10).isSteady)
    #expect(!steadiness(slope: 0.11, rate: 10).isSteady)
  }

  @Test("the p99 of the halves may be 20 % or 1 ms apart, whichever is more")
  func halves() {
    #expect(steadiness(first: .nanoseconds(2_000_000), second: .nanoseconds(3_000_000)).isSteady)
    #expect(!steadiness(first: .nanoseconds(2_000_000), second: .nanoseconds(3_000_001)).isSteady)
    #expect(steadiness(first: .nanoseconds(120_000_000), second: .nanoseconds(100_000_000)).isSteady)
    #expect(!steadiness(first: .nanoseconds(120_000_001), second: .nanoseconds(100_000_000)).isSteady)
    #expect(!steadiness(first: .nanoseconds(2_000_000), second: .endless).isSteady)
    #expect(steadiness(first: .nanoseconds(2_000_000), second: .unknown).isSteady)
  }
}
