import Testing

@testable import BitNetTraining

@Suite("Training schedule")
struct ScheduleTests {
    private let schedule = TrainingSchedule(
        warmupSteps: 4, peakRate: 1.5e-3, firstStageEnd: 8e-4, secondStageStart: 5e-4)

    @Test("The rate warms up, goes down, drops mid-way with weight decay, and ends at 0")
    func stages() {
        #expect(schedule.values(step: 0, progress: 0) == (1.5e-3 / 4, 0.1))
        #expect(schedule.values(step: 3, progress: 0) == (1.5e-3, 0.1))
        let before = schedule.values(step: 99, progress: 0.499_999)
        let after = schedule.values(step: 100, progress: 0.5)
        #expect(abs(before.rate - 8e-4) < 1e-8 && before.weightDecay == 0.1)
        #expect(after.rate == 5e-4 && after.weightDecay == 0)
        #expect(schedule.values(step: 150, progress: 0.75).rate == 2.5e-4)
        #expect(schedule.values(step: 200, progress: 1).rate == 0)
    }

    @Test("The rate never rises after the warm-up")
    func falls() {
        let rates = (4...200).map { schedule.values(step: $0, progress: Double($0) / 200).rate }
        #expect(zip(rates, rates.dropFirst()).allSatisfy { $0 >= $1 })
    }

    @Test("A constant schedule is constant")
    func constant() {
        let schedule = TrainingSchedule.constant(rate: 1e-3, weightDecay: 0.1)
        for progress in [0, 0.5, 1] {
            #expect(schedule.values(step: 0, progress: progress) == (1e-3, 0.1))
        }
    }
}

@Suite("Tokens in memory")
struct TokenArrayTests {
    @Test("An epoch has every window once, and the same ones whenever asked")
    func epoch() throws {
        let data = TokenArray((0..<101).map { Int32($0) }, seed: 5)
        // Nine windows of 11 tokens in each epoch: the tenth leaves room to begin elsewhere.
        let windows = try (0..<3).flatMap { try data.windows(step: $0, count: 3, length: 11) }
        #expect(windows.allSatisfy { $0 == Array($0[0]..<$0[0] + 11) })
        let starts = windows.map { $0[0] }.sorted()
        #expect(zip(starts, starts.dropFirst()).allSatisfy { $1 - $0 == 10 })
        #expect(try data.windows(step: 1, count: 3, length: 11) == Array(windows[3..<6]))
        #expect(try data.windows(step: 3, count: 3, length: 11) != Array(windows[0..<3]))
    }

    @Test("Too few tokens for a window are an error")
    func tooFew() {
        #expect(throws: BitNetError.self) {
            try TokenArray([1, 2]).windows(step: 0, count: 1, length: 3)
        }
    }
}
