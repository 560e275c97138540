import Foundation
import Synchronization
import TestSupport
import Testing

@testable import BitNetTraining

@Suite("A whole training in a folder")
struct TrainingRunTests {
    @Test("Text becomes a model that has learnt, with a tokenizer, a table and exports")
    func whole() async throws {
        let folder = try TemporaryFolder()
        let samples = Mutex<[String]>([])
        let summary = try await TrainingRun.small(folder, steps: 40).run { event in
            if case .sample(let text) = event { samples.withLock { $0.append(text) } }
        }
        let (first, last) = (try #require(summary.first), try #require(summary.last))
        #expect(first.step == 0 && last.step == 40 && summary.steps == 40)
        #expect(last.loss < 0.5 * first.loss)
        let bits = try #require(last.bitsPerByte)
        #expect(bits > 0.1 && bits < 3)
        #expect(samples.withLock { $0.count } == 4)
        #expect(samples.withLock { $0.allSatisfy { $0.hasPrefix("One day") } })

        let table = try String(contentsOf: folder.file("out/loss.csv"), encoding: .utf8)
            .split(separator: "\n")
        #expect(table[0].hasPrefix("step,seconds,loss,validation_loss"))
        #expect(table.count(where: { $0.hasPrefix("40,") }) == 2)
        let picture = try String(contentsOf: folder.file("out/loss.svg"), encoding: .utf8)
        for part in ["<svg", "training", "validation", "first stage", "second stage"] {
            #expect(picture.contains(part), "\(part)")
        }
        let gguf = try await BitNetModel.load(folder.file("out/model.gguf"))
        let folderModel = try await BitNetModel.load(folder.file("out/model"))
        let options = GenerationOptions(maximumResponseTokens: 12)
        let text = try await gguf.generate("One day", options: options).text
        #expect(try await folderModel.generate("One day", options: options).text == text)
        #expect(
            try await BitNetModel.load(folder.file("out/masters")).configuration
                .quantizesMasters)
    }

    @Test("Documents of the validation text are not trained on, and are what is measured")
    func validationFiles() async throws {
        let folder = try TemporaryFolder()
        var run = try TrainingRun.small(folder, steps: 2)
        let heldOut = "One day Lily saw a red ball. Lily was very happy."
        let other = folder.file("validation.txt")
        try Data("\(heldOut)\n<|endoftext|>\nAnother text.".utf8).write(to: other)
        run.validationFiles = [other]
        let summary = try await run.run()
        let tokenizer = try Tokenizer.load(from: folder.file("out"))
        let file = try TokenFile(
            opening: folder.file("out/tokens.safetensors"), tokenizer: tokenizer)
        let documents = try (0..<file.documentCount).map {
            tokenizer.decode(
                try file.tokens(in: file.tokenRange(ofDocument: $0)).map(Int.init),
                skippingSpecial: true)
        }
        #expect(documents.count > 200 && documents.count < 300)
        #expect(!documents.contains(heldOut))
        let text = try TokenFile(
            TrainingCorpus(documents: [heldOut, "Another text."]), tokenizer: tokenizer)
        #expect(summary.last?.tokens == text.tokenCount - 1)
    }

    @Test("A run that is cancelled or fails before its first step leaves nothing in its way")
    func cancelledEarly() async throws {
        let folder = try TemporaryFolder()
        var run = try TrainingRun.small(folder, steps: 2)
        let first = run
        let task = Task {
            do throws(BitNetError) {
                _ = try await first.run { event in
                    if case .reading = event { withUnsafeCurrentTask { $0?.cancel() } }
                }
                return nil as BitNetError?
            } catch { return error }
        }
        #expect(await task.value == .cancelled)
        #expect(!FileManager.default.fileExists(atPath: run.output.path))

        // A folder that was there stays, and so does what is no file of the run.
        try FileManager.default.createDirectory(
            at: run.output, withIntermediateDirectories: true)
        run.configuration.shape.contextLength = 1 << 15
        let second = run
        await #expect(throws: BitNetError.self) { try await second.run() }
        #expect(try FileManager.default.contentsOfDirectory(atPath: run.output.path) == [])
        run.configuration.shape.contextLength = 32
        #expect(try await run.run().steps == 2)
    }

    @Test("What cannot be written in the end is refused before anything is read")
    func targets() async throws {
        let folder = try TemporaryFolder()
        var run = try TrainingRun.small(folder, steps: 2)
        _ = try await run.run()
        run.isResumed = true
        run.resumedLength = .steps(3)
        func refusal() async -> (error: BitNetError?, events: Int) {
            let events = Mutex(0)
            do throws(BitNetError) {
                _ = try await run.run { _ in events.withLock { $0 += 1 } }
                return (nil, events.withLock(\.self))
            } catch { return (error, events.withLock(\.self)) }
        }
        for name in ["model.gguf", "loss.csv", "model/config.json", "masters/model.safetensors"] {
            let path = folder.file("out/\(name)").path
            #expect(chmod(path, 0o444) == 0)
            let (error, events) = await refusal()
            guard case .unwritable(path, let reason) = error else {
                Issue.record("\(name): \(String(describing: error))")
                continue
            }
            #expect(reason.contains("read-only") && events == 0)
            #expect(chmod(path, 0o644) == 0)
        }
        let model = folder.file("out/model")
        try FileManager.default.removeItem(at: model)
        try Data("x".utf8).write(to: model)
        let (error, events) = await refusal()
        #expect("\(error.map { "\($0)" } ?? "")".contains("it is a file, not a folder"))
        #expect(events == 0)
        try FileManager.default.removeItem(at: model)
        #expect(await refusal().error == nil)
    }

    @Test("Text that is too little for a training is an error that says what is needed")
    func littleText() async throws {
        let folder = try TemporaryFolder()
        var run = try TrainingRun.small(folder, steps: 1)
        let file = folder.file("little.txt")
        run.files = [file]
        let end = "\n<|endoftext|>\n"
        for (text, name, words) in [
            (end + end, "corpus", "there is no text in"),
            ("One day.", "heldOut", "single document"),
            ("One." + end + "Two.", "context", "do not fill one window of 33"),
        ] {
            try Data(text.utf8).write(to: file)
            do throws(BitNetError) {
                _ = try await run.run()
                Issue.record("\(text) is enough")
            } catch {
                guard case .invalidArgument(name, let detail) = error else {
                    Issue.record("\(text): \(error)")
                    continue
                }
                #expect(detail.contains(words), "\(detail)")
            }
            #expect(!FileManager.default.fileExists(atPath: run.output.path))
        }
        try Data().write(to: file)
        await #expect(throws: BitNetError.self) { try await run.run() }
        // All of it is held out, or nothing.
        try Data(TrainingRun.smallText.utf8).write(to: file)
        run.validationFiles = [file]
        await #expect(throws: BitNetError.self) { try await run.run() }
        let empty = folder.file("empty.txt")
        try Data(end.utf8).write(to: empty)
        run.validationFiles = [empty]
        do throws(BitNetError) { _ = try await run.run() } catch {
            guard case .invalidArgument("validationFiles", _) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test("A teacher gives its tokenizer, and is refused for text of another one")
    func teacher() async throws {
        let folder = try TemporaryFolder()
        let other = try TemporaryFolder()
        _ = try await TrainingRun.small(other, steps: 3).run()
        var run = try TrainingRun.small(folder, steps: 3)
        run.teacher = other.file("out/model")
        let divergences = Mutex<[Double?]>([])
        _ = try await run.run { event in
            if case .step(let report) = event {
                divergences.withLock { $0.append(report.divergence) }
            }
        }
        #expect(divergences.withLock { $0.count == 3 && $0.allSatisfy { ($0 ?? -1) > 0 } })
        let kept = try Trainer.configuration(of: folder.file("out/checkpoint.safetensors"))
        #expect(kept.distillation?.teacher == run.teacher?.path)
        let tokenizers = try [folder, other].map {
            try Data(contentsOf: $0.file("out/model/tokenizer.json"))
        }
        #expect(tokenizers[0] == tokenizers[1])

        // As many tokens, but others.
        let strange = TrainingCorpus(documents: [TrainingRun.smallText.uppercased()])
        try BytePairTrainer(vocabularySize: 320).train(strange).write(to: folder.file("strange"))
        run.output = folder.file("second")
        run.teacher = other.file("out/model.gguf")
        let without = run
        await #expect(throws: BitNetError.self) { try await without.run() }
        run.tokenizer = folder.file("strange")
        let mixed = run
        let error = await #expect(throws: BitNetError.self) { try await mixed.run() }
        guard case .tokenizer(let detail)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(detail.contains("model.gguf") && detail.contains("another one"))
        run.tokenizer = other.file("out")
        #expect(try await run.run().steps == 3)
    }
}
