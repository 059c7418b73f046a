import MQTT
import Testing

@testable import MQTTClient

extension MQTTClientTests {
  /// Delays with a random number in the middle, so without jitter.
  @Suite struct Reconnecting {
    /// The delays after failures that come as soon as the delay before is over, in milliseconds.
    private func delays(
      _ policy: ReconnectPolicy, count: Int, attemptTakes: Duration = .zero, random: Double = 0.5
    ) -> [Int64] {
      var policy = policy
      var now = Instant(nanoseconds: 0)
      var delays: [Int64] = []
      for _ in 0..<count {
        guard let delay = policy.failed(at: now, random: random) else { break }
        delays.append(delay.nanoseconds / 1_000_000)
        now = now + delay + attemptTakes
      }
      return delays
    }

    @Test func theDelayDoublesToFourSecondsInTheFirstMinuteAndThenToThirty() {
      #expect(
        delays(ReconnectPolicy(.forever), count: 22) == [500, 1000, 2000] + Array(repeating: 4000, count: 15)
          + [30_000, 30_000, 30_000, 30_000])
    }

    @Test func theJitterIsAQuarterToBothSides() {
      #expect(delays(ReconnectPolicy(.forever), count: 4, random: 0) == [375, 750, 1500, 3000])
      #expect(delays(ReconnectPolicy(.forever), count: 4, random: 1) == [625, 1250, 2500, 5000])
    }

    @Test(arguments: 0...3)
    func soManyRetriesAreMade(retries: Int) {
      #expect(delays(ReconnectPolicy(.retries(retries)), count: 10).count == retries)
    }

    @Test func withoutAFirstConnectionThereIsNoRetry() {
      #expect(delays(ReconnectPolicy(.foreverAfterFirstConnection), count: 10) == [])
      var policy = ReconnectPolicy(.foreverAfterFirstConnection)
      policy.connected(at: Instant(nanoseconds: 0))
      #expect(delays(policy, count: 10).count == 10)
    }

    @Test func anOutageIsGivenUpBeforeItsMaximumTimeIsOver() {
      // After 0, 0.5, 1.5 and 3.5 s; at 7.5 s the next attempt would be.
      #expect(delays(ReconnectPolicy(.forever, maximumTime: .seconds(7)), count: 10) == [500, 1000, 2000])
      #expect(
        delays(ReconnectPolicy(.forever, maximumTime: .milliseconds(7500)), count: 10) == [500, 1000, 2000, 4000])
      // The time that attempts take counts.
      #expect(
        delays(ReconnectPolicy(.forever, maximumTime: .seconds(7)), count: 10, attemptTakes: .seconds(3)) == [
          500, 1000,
        ])
    }

    @Test func thirtySecondsOfConnectionBeginTheDelaysAnew() {
      let start = Instant(nanoseconds: 0)
      for (connected, expected) in [(Duration.seconds(30), 500), (.milliseconds(29_999), 2000)] {
        var policy = ReconnectPolicy(.forever)
        _ = policy.failed(at: start, random: 0.5)
        _ = policy.failed(at: start, random: 0.5)
        policy.connected(at: start)
        #expect(policy.failed(at: start + connected, random: 0.5) == .milliseconds(expected))
      }
    }

    @Test func aConnectionThatBreaksAtOnceEachTimeIsTriedMoreAndMoreSeldom() {
      var policy = ReconnectPolicy(.retries(1))
      var now = Instant(nanoseconds: 0)
      var delays: [Duration] = []
      for _ in 0..<5 {
        policy.connected(at: now)
        guard let delay = policy.failed(at: now, random: 0.5) else { break }
        delays.append(delay)
        now = now + delay
      }
      #expect(delays == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(4)])
    }

    @Test func withoutReconnectingOnlyTheFirstConnectionIsTriedAgain() {
      var policy = ReconnectPolicy(.retries(2), outlivesConnection: false)
      let now = Instant(nanoseconds: 0)
      #expect(policy.failed(at: now, random: 0.5) != nil)
      policy.connected(at: now)
      #expect(policy.failed(at: now, random: 0.5) == nil)
    }

    @Test func tenThousandFailuresAreNoArithmeticProblem() {
      #expect(delays(ReconnectPolicy(.forever), count: 10_000).count == 10_000)
    }
  }
}
