import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Byte pair encoding")
struct BytePairEncoderTests {
    /// Merges over the bytes a to d: random pairs of what there is so far.
    private func randomMerges(seed: UInt64, count: Int) -> [(Int, Int)] {
        var random = SplitMix64(seed: seed)
        var pool = Array(97...100)
        var merges: [(Int, Int)] = []
        var made: Set<[Int]> = []
        var spellings: [Int: String] = [97: "a", 98: "b", 99: "c", 100: "d"]
        var known = Set(spellings.values)
        while merges.count < count {
            let left = pool.randomElement(using: &random) ?? 97
            let right = pool.randomElement(using: &random) ?? 97
            let spelling = (spellings[left] ?? "") + (spellings[right] ?? "")
            guard spelling.count <= 12, !known.contains(spelling),
                made.insert([left, right]).inserted
            else { continue }
            known.insert(spelling)
            let id = 256 + merges.count
            spellings[id] = spelling
            merges.append((left, right))
            pool.append(id)
        }
        return merges
    }

    /// The definition: merge the best pair, leftmost first, until none is left.
    private func naive(_ bytes: [UInt8], _ merges: [(Int, Int)]) -> [Int] {
        var ranks: [[Int]: Int] = [:]
        for (rank, pair) in merges.enumerated() { ranks[[pair.0, pair.1]] = rank }
        var tokens = bytes.map { Int($0) }
        while true {
            let best = tokens.indices.dropLast()
                .compactMap { index in
                    ranks[[tokens[index], tokens[index + 1]]].map { (rank: $0, index: index) }
                }
                .min { ($0.rank, $0.index) < ($1.rank, $1.index) }
            guard let best else { return tokens }
            tokens.replaceSubrange(best.index...best.index + 1, with: [256 + best.rank])
        }
    }

    @Test("short and long words merge as the definition says", arguments: 0..<12)
    func definition(seed: Int) throws {
        let merges = randomMerges(seed: UInt64(seed), count: 40)
        let tokenizer = try Tokenizer(gguf: TokenizerFixtures.vocabulary(merges: merges))
        var random = SplitMix64(seed: 77 + UInt64(seed))
        for length in [1, 2, 3, 7, 20, 47, 48, 49, 50, 120, 300] {
            let word = (0..<length).map { _ in UInt8(97 + random.next() % 4) }
            let text = String(decoding: word, as: UTF8.self)
            #expect(try tokenizer.encode(text) == naive(word, merges), "\(text)")
        }
    }

    @Test("a word of 200,000 letters takes no quadratic time", .timeLimit(.minutes(10)))
    func longWord() throws {
        // a, aa, aaaa, ...: every level of merges runs through the whole word.
        let merges = [(97, 97)] + (0..<12).map { (256 + $0, 256 + $0) }
        let tokenizer = try Tokenizer(gguf: TokenizerFixtures.vocabulary(merges: merges))
        let text = String(repeating: "a", count: 200_000)
        let ids = try tokenizer.encode(text)
        #expect(ids.prefix(24).allSatisfy { $0 == 268 })
        #expect(tokenizer.decode(ids) == text)
    }

    @Test("a word that is a token is taken whole only if merges are ignored")
    func ignoringMerges() throws {
        // abc is a token that merges can not make from a, b, c: bc merges first.
        var vocabulary = TokenizerFixtures.vocabulary(merges: [(98, 99), (97, 98), (257, 99)])
        #expect(try Tokenizer(gguf: vocabulary).encode("abc") == [97, 256])
        vocabulary.pre = "llama-bpe"
        #expect(try Tokenizer(gguf: vocabulary).encode("abc") == [258])
    }

    @Test("of thousands of merges, all are read in order, and the first bad one is named")
    func manyMerges() throws {
        let pairs = (0..<80).flatMap { left in (0..<80).map { (left, $0) } }
        let vocabulary = TokenizerFixtures.vocabulary(merges: pairs)
        let read = try Tokenizer(gguf: vocabulary).storage.encoder.merges.pairs
        #expect(read.map { [$0.left, $0.right] } == pairs.map { [$0.0, $0.1] })
        func expectError(_ words: String, _ changes: [Int: String]) {
            var changed = vocabulary
            changed.merges = ByteStrings(
                vocabulary.merges.strings.enumerated().map { changes[$0.offset] ?? $0.element })
            #expect {
                try Tokenizer(gguf: changed)
            } throws: {
                ($0 as? BitNetError)?.description.contains(words) == true
            }
        }
        expectError("merge 2000 ''", [2000: "", 6000: ""])
        expectError("merge 6000 'zz a' names 'zz'", [6000: "zz a"])
        expectError("merge 6399", [6399: vocabulary.merges.text(0)])
    }

    @Test("bytes without a token are left out")
    func missingBytes() throws {
        let vocabulary = GGUFVocabulary(
            model: "gpt2", pre: "gpt-2", architecture: "test",
            tokens: ByteStrings(["a", "b", "ab"]),
            merges: ByteStrings(["a b"]))
        let tokenizer = try Tokenizer(gguf: vocabulary)
        #expect(try tokenizer.encode("axb") == [2])
        #expect(try tokenizer.encode("x") == [])
    }
}
