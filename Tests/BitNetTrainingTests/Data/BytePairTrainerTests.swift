import Foundation
import Testing

@testable import BitNetTokenizers
@testable import BitNetTraining

@Suite("Byte pair trainer")
struct BytePairTrainerTests {
    private func train(
        _ documents: [String], merges: Int, minimum: Int = 0
    ) throws -> [String] {
        let trainer = BytePairTrainer(
            vocabularySize: 257 + merges, specialTokens: ["<end>"], beginOfText: nil,
            endOfText: "<end>", minimumFrequency: minimum)
        return try trainer.train(TrainingCorpus(documents: documents)).merges
            .map { $0.joined(separator: "+") }
    }

    @Test("the most frequent pair is merged first, of several that of the smaller ids")
    func order() throws {
        let words = ["cd", "xy", "ab", "xy", "cd", "xy", "ab"]
        #expect(try train(words, merges: 9) == ["x+y", "a+b", "c+d"])
        // A space is written as "Ġ", which comes after all letters.
        #expect(try train([" a", "ba", " a", "ba"], merges: 1) == ["b+a"])
    }

    @Test("pairs overlap, do not cross words, and end where they are rare")
    func counting() throws {
        #expect(try train(["aaaaa"], merges: 9) == ["a+a", "aa+a", "aa+aaa"])
        #expect(try train(["ab!!ab"], merges: 9) == ["a+b", "!+!"])
        #expect(try train(["ab ab", "ac"], merges: 9, minimum: 2) == ["a+b"])
        #expect(try train(["a b c"], merges: 0) == [])
        #expect(try train(["1234567"], merges: 9).contains("12+3"))
        #expect(try !train(["1234567"], merges: 9).contains("123+4"))
    }

    @Test("every document is a text of its own")
    func documents() throws {
        #expect(try train(["a", "b", "a", "b"], merges: 9) == [])
        #expect(try train([".\n", "\n"], merges: 9) == [".+Ċ"])
        #expect(try train([".\n\n"], merges: 9).count == 2)
    }

    @Test("all bytes have tokens, whatever the text, and any text comes back")
    func bytes() throws {
        let trained = try BytePairTrainer(vocabularySize: 300)
            .train(TrainingCorpus(documents: ["the cat, the hat"]))
        let tokenizer = trained.tokenizer
        #expect(tokenizer.vocabularySize == 258 + trained.merges.count)
        #expect(trained.merges.first == ["a", "t"])
        let text = "Zoë \u{0}\u{7F} 日本 🙂\r\n"
        #expect(tokenizer.decode(try tokenizer.encode(text)) == text)
        #expect(tokenizer.beginOfText == 0 && tokenizer.endOfText == 1)
        #expect(tokenizer.addsBeginOfText && tokenizer.endTokens == [1])
        #expect(Set((0..<256).compactMap { tokenizer.bytes(of: 2 + $0) }).count == 256)
    }

    @Test("the files that are written make the same tokenizer")
    func files() throws {
        let folder = try ScratchFolder()
        let target = folder.file("new/model")
        let trained = Stories.tokenizer
        try trained.write(to: target)
        let loaded = try Tokenizer.load(from: target)
        #expect(loaded.fingerprint == trained.tokenizer.fingerprint)
        #expect(loaded.endOfText == 1 && loaded.beginOfText == 0)
        let text = Stories.documents(60)[55]
        #expect(try loaded.encode(text) == trained.tokenizer.encode(text))
        #expect(try loaded.encode(text).count < text.utf8.count / 2)
    }

    @Test("texts need not begin with a token, and special tokens may need escapes")
    func framing() throws {
        let trainer = BytePairTrainer(
            vocabularySize: 270, specialTokens: ["<\"\\\n>", "日"], beginOfText: nil,
            endOfText: "<\"\\\n>")
        let tokenizer = try trainer.train(TrainingCorpus(documents: ["a"])).tokenizer
        #expect(!tokenizer.addsBeginOfText && tokenizer.endOfText == 0)
        #expect(try tokenizer.encode("日<\"\\\n>", special: true) == [1, 0])
    }

    @Test(
        "settings that make no vocabulary are refused",
        arguments: [
            (BytePairTrainer(vocabularySize: 257), "vocabularySize"),
            (BytePairTrainer(vocabularySize: -1), "vocabularySize"),
            (BytePairTrainer(vocabularySize: .max), "vocabularySize"),
            (
                BytePairTrainer(
                    vocabularySize: 300, specialTokens: ["a", ""], beginOfText: nil, endOfText: "a"),
                "specialTokens"
            ),
            (
                BytePairTrainer(
                    vocabularySize: 300, specialTokens: ["a", "a"], beginOfText: nil,
                    endOfText: "a"), "specialTokens"
            ),
            (BytePairTrainer(vocabularySize: 300, beginOfText: "<s>"), "beginOfText"),
            (BytePairTrainer(vocabularySize: 300, endOfText: "</s>"), "endOfText"),
        ])
    func refused(_ trainer: BytePairTrainer, _ name: String) {
        let error = bitNetError {
            _ = try trainer.train(TrainingCorpus(documents: ["a"]))
        }
        guard case .invalidArgument(name, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("progress goes up to its end in each stage")
    func progress() throws {
        var seen: [CorpusProgress] = []
        let corpus = TrainingCorpus(documents: Stories.documents(20))
        _ = try BytePairTrainer(vocabularySize: 300).train(corpus) { seen.append($0) }
        #expect(Set(seen.map(\.stage)) == [.countingWords, .merging])
        for (_, stage) in Dictionary(grouping: seen, by: \.stage) {
            #expect(stage.map(\.done) == stage.map(\.done).sorted())
            #expect(stage.last?.fraction == 1 && stage.allSatisfy { $0.total == stage[0].total })
        }
    }

    @Test("cancellation ends it soon")
    func cancellation() async throws {
        // A word of many tokens and a vocabulary that would take all of them.
        let text = String(repeating: "abcdefghij", count: 20_000)
        let corpus = TrainingCorpus(documents: [text, text])
        let task = Task { () -> BitNetError? in
            var merges = 0
            return bitNetError {
                _ = try BytePairTrainer(vocabularySize: 2000).train(corpus) {
                    guard $0.stage == .merging else { return }
                    merges += 1
                    withUnsafeCurrentTask { $0?.cancel() }
                    #expect(merges == 1)
                }
            }
        }
        #expect(await task.value == .cancelled)
    }

    @Test("a text that is one word takes time like its length", .timeLimit(.minutes(10)))
    func longWord() throws {
        var generator = SeededGenerator(seed: 3)
        let letters = (0..<300_000).map { _ in "abcdefgh".utf8.randomElement(using: &generator)! }
        let text = String(decoding: letters, as: UTF8.self)
        let trained = try BytePairTrainer(vocabularySize: 1000)
            .train(TrainingCorpus(documents: [text]))
        #expect(trained.merges.count == 742)
    }
}

/// Random texts and the merges that Hugging Face's trainer learns from them, as
/// `Tests/Differential/bpe_trainer.py` writes them.
@Suite("Merges are those of Hugging Face's trainer")
struct BytePairTrainerDifferentialTests {
    private struct Case: Decodable {
        var documents: [String]
        var size: Int
        var minimum: Int
        var special: [String]
        var merges: [[String]]
        var ids: [String: [Int]]
    }

    private func compare(_ url: URL) throws -> (merges: Int, ids: Int) {
        var (merges, ids) = (0, 0)
        for line in try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")) {
            let expected = try JSONDecoder().decode(Case.self, from: Data(line))
            let trainer = BytePairTrainer(
                vocabularySize: expected.size, specialTokens: expected.special, beginOfText: nil,
                endOfText: expected.special[0], minimumFrequency: expected.minimum)
            let trained = try trainer.train(TrainingCorpus(documents: expected.documents))
            #expect(trained.merges == expected.merges, "\(String(decoding: line, as: UTF8.self))")
            merges += expected.merges.count
            for (text, tokens) in expected.ids {
                #expect(try trained.tokenizer.encode(text) == tokens)
                ids += tokens.count
            }
        }
        return (merges, ids)
    }

    @Test("those of a file that was made before")
    func fixture() throws {
        let url = Bundle.module.bundleURL.appendingPathComponent("Fixtures/merges.jsonl")
        let compared = try compare(url)
        #expect(compared.merges > 500 && compared.ids > 500)
    }

    @Test(
        "those of the file that BITNET_MERGE_CASES names",
        .enabled(if: ProcessInfo.processInfo.environment["BITNET_MERGE_CASES"] != nil))
    func more() throws {
        let path = try #require(ProcessInfo.processInfo.environment["BITNET_MERGE_CASES"])
        let compared = try compare(URL(fileURLWithPath: path))
        print("\(compared.merges) merges and \(compared.ids) tokens compared")
    }
}
