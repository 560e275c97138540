import Foundation
import Synchronization
import Testing

@testable import BitNetTraining

@Suite("A training in a folder that goes on")
struct TrainingResumeTests {
    @Test("A run that is cancelled leaves a checkpoint, and ends as one that was not")
    func resumed() async throws {
        let folder = try TemporaryFolder()
        let other = try TemporaryFolder()
        let expected = try await TrainingRun.small(other, steps: 12).run()

        var run = try TrainingRun.small(folder, steps: 12)
        let first = run
        let task = Task {
            do throws(BitNetError) {
                _ = try await first.run { event in
                    if case .step(let report) = event, report.step == 5 {
                        withUnsafeCurrentTask { $0?.cancel() }
                    }
                }
                return nil as BitNetError?
            } catch { return error }
        }
        #expect(await task.value == .cancelled)
        await #expect(throws: BitNetError.self) { try await first.run() }
        run.isResumed = true
        let steps = Mutex<[Int]>([])
        let summary = try await run.run { event in
            if case .step(let report) = event { steps.withLock { $0.append(report.step) } }
        }
        #expect(steps.withLock(\.self) == Array(6...12))
        #expect(summary.last == expected.last)
        let table = try String(contentsOf: folder.file("out/loss.csv"), encoding: .utf8)
        for step in 1...12 {
            let lines = table.split(separator: "\n").filter {
                $0.hasPrefix("\(step),") && $0.contains(",,,")
            }
            #expect(lines.count == 1, "step \(step)")
        }
    }

    @Test("An error between two steps loses none of those that are done")
    func failed() async throws {
        let folder = try TemporaryFolder()
        let run = try TrainingRun.small(folder, steps: 12)
        let tokens = folder.file("out/tokens.safetensors").path
        do throws(BitNetError) {
            _ = try await run.run { event in
                if case .step(let report) = event, report.step == 5 { truncate(tokens, 1000) }
            }
            Issue.record("it trains on")
        } catch {
            guard case .unreadable(tokens, _) = error else {
                Issue.record("\(error)")
                return
            }
        }
        let checkpoint = try Data(contentsOf: folder.file("out/checkpoint.safetensors"))
        #expect(String(decoding: checkpoint.prefix(4000), as: UTF8.self).contains(#""step":"5""#))
    }

    @Test("A folder without a checkpoint is told as that, and none is made")
    func nothing() async throws {
        let folder = try TemporaryFolder()
        var run = try TrainingRun.small(folder, steps: 3)
        run.isResumed = true
        do throws(BitNetError) {
            _ = try await run.run()
            Issue.record("it goes on from nothing")
        } catch {
            #expect("\(error)".contains("has no checkpoint.safetensors"), "\(error)")
        }
        #expect(!FileManager.default.fileExists(atPath: run.output.path))
    }

    @Test("Where nothing is left to train, results are written again and nothing else happens")
    func finished() async throws {
        let folder = try TemporaryFolder()
        var run = try TrainingRun.small(folder, steps: 3)
        let first = try await run.run()
        #expect(first.newSteps == 3)
        let names = ["model.gguf", "checkpoint.safetensors", "loss.csv"]
        let before = try names.map { try Data(contentsOf: folder.file("out/\($0)")) }
        // As if the end had been interrupted.
        try FileManager.default.removeItem(at: folder.file("out/model.gguf"))
        run.isResumed = true
        run.files = []
        let events = Mutex<[TrainingRun.Event]>([])
        let second = try await run.run { event in events.withLock { $0.append(event) } }
        #expect(second.steps == 3 && second.newSteps == 0 && second.tokensPerSecond == 0)
        #expect(second.first == nil && second.last == first.last)
        let told = events.withLock(\.self)
        guard told.count == 1, case .training(let start) = told[0] else {
            Issue.record("\(told)")
            return
        }
        #expect(start.progress == 1 && start.step == 3)
        #expect(try names.map { try Data(contentsOf: folder.file("out/\($0)")) } == before)

        run.resumedLength = .steps(5)
        let third = try await run.run()
        #expect(third.steps == 5 && third.newSteps == 2 && third.first?.step == 3)
    }

    @Test("A training goes on with the text, held-out text and tokenizer that it began with")
    func sameData() async throws {
        let folder = try TemporaryFolder()
        let (text, other) = (folder.file("v.txt"), folder.file("w.txt"))
        try Data("One day Lily saw a red ball. Lily was very happy.".utf8).write(to: text)
        try Data("Another text.".utf8).write(to: other)
        var run = try TrainingRun.small(folder, steps: 2)
        run.validationFiles = [text]
        _ = try await run.run()
        (run.isResumed, run.resumedLength) = (true, .steps(3))
        #expect(try await run.run().newSteps == 1)

        func refusal(_ change: (inout TrainingRun) -> Void) async -> String? {
            var changed = run
            changed.resumedLength = .steps(4)
            change(&changed)
            do throws(BitNetError) { _ = try await changed.run() } catch {
                guard case .invalidArgument(let name, _) = error else { return "\(error)" }
                return name
            }
            return nil
        }
        #expect(await refusal { $0.files = [other] } == "files")
        #expect(await refusal { $0.validationFiles = [] } == "files")
        #expect(await refusal { ($0.files, $0.validationFiles) = ([], []) } == "data")
        #expect(await refusal { $0.validationFiles = [other] } == "files")
        #expect(
            await refusal {
                $0.files = []
                $0.validationFiles = [other]
            } == "data")
        let strange = TrainingCorpus(documents: [TrainingRun.smallText.uppercased()])
        let tokenizer = folder.file("strange")
        try BytePairTrainer(vocabularySize: 320).train(strange).write(to: tokenizer)
        #expect(await refusal { $0.tokenizer = tokenizer } == "tokenizer")
        #expect(await refusal { $0.resumedConfiguration = TrainingConfiguration() } != nil)
        #expect(await refusal { $0.files = [] } == nil)
    }
}
