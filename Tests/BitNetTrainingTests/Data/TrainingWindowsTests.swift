import Foundation
import Testing

@testable import BitNetTraining

@Suite("Windows of training data")
struct TrainingWindowsTests {
    private static let documents = Stories.documents(40)
    private let file: TokenFile

    init() throws {
        file = try TokenFile(
            TrainingCorpus(documents: Self.documents), tokenizer: Stories.tokenizer.tokenizer)
    }

    private var documentTokens: [[Int32]] {
        get throws {
            try (0..<file.documentCount).map {
                try file.tokens(in: file.tokenRange(ofDocument: $0))
            }
        }
    }

    /// What lies between two ends of text, with its end.
    private func wholeDocuments(in windows: [[Int32]]) -> Set<[Int32]> {
        Set(
            windows.flatMap { window in
                window.split(separator: 1, omittingEmptySubsequences: false)
                    .dropFirst().dropLast().map { Array($0) + [1] }
            })
    }

    private func windows(
        _ data: TrainingData, _ count: Int, of size: Int, from start: TrainingPosition = .init()
    ) throws -> [[Int32]] {
        var position = start
        var found: [[Int32]] = []
        while found.count < count {
            let batch = try data.training.batch(
                of: min(size, count - found.count), at: &position)
            for index in 0..<batch.count { found.append(Array(batch[index])) }
        }
        return found
    }

    @Test("every token is predicted once in an epoch", arguments: [1, 2, 7, 16, 64])
    func coverage(_ context: Int) throws {
        let data = try TrainingData(file, context: context, heldOut: .none, seed: 5)
        let count = data.training.countPerEpoch
        #expect(data.validation == nil && data.training.tokenCount == file.tokenCount)
        #expect(count == (file.tokenCount - 1) / context)
        for epoch in 0..<2 {
            let windows = try windows(data, count, of: 3, from: .init(epoch: epoch))
            #expect(windows.allSatisfy { $0.count == context + 1 })
            var seen: [Int32: Int] = [:]
            for window in windows { for id in window.dropFirst() { seen[id, default: 0] += 1 } }
            var all: [Int32: Int] = [:]
            for id in try file.tokens(in: 0..<file.tokenCount) { all[id, default: 0] += 1 }
            let missing = all.map { $0.value - seen[$0.key, default: 0] }
            #expect(missing.allSatisfy { $0 >= 0 })
            #expect(missing.reduce(0, +) == file.tokenCount - count * context)
        }
    }

    @Test("windows are pieces of documents in an order, and both orders change with the epoch")
    func orders() throws {
        let data = try TrainingData(file, context: 45, heldOut: .none, seed: 5)
        let count = data.training.countPerEpoch
        let known = Set(try documentTokens)
        var first: [[Int32]] = []
        for epoch in 0..<2 {
            let found = try windows(data, count, of: count, from: .init(epoch: epoch))
            #expect(wholeDocuments(in: found).isSubset(of: known))
            if epoch == 0 { first = found }
            #expect(epoch == 0 || Set(found) != Set(first))
            // Neighbours in the order are no neighbours in the text.
            let following = zip(found, found.dropFirst()).count { $0.0.last == $0.1.first }
            #expect(following < count / 2)
        }
    }

    @Test("the position is all that a run needs to go on", arguments: [1, 4, 9])
    func resuming(_ size: Int) throws {
        let data = try TrainingData(file, context: 9, seed: 8)
        let total = data.training.countPerEpoch * 2 + 5
        let all = try windows(data, total, of: 6)
        #expect(try windows(data, total, of: size) == all)
        var position = TrainingPosition()
        for _ in 0..<7 { _ = try data.training.batch(of: 5, at: &position) }
        let saved = try JSONEncoder().encode(position)
        let again = try TrainingData(file, context: 9, seed: 8)
        let restored = try JSONDecoder().decode(TrainingPosition.self, from: saved)
        #expect(try windows(again, total - 35, of: size, from: restored) == Array(all[35...]))
        let other = try TrainingData(file, context: 9, seed: 9)
        #expect(try windows(other, 20, of: size) != Array(all[..<20]))
    }

    @Test("a position that is not in the data is refused, and stays")
    func wrongPosition() throws {
        let data = try TrainingData(file, context: 9, seed: 8)
        let count = data.training.countPerEpoch
        for wrong in [
            TrainingPosition(epoch: 0, index: count + 1), .init(epoch: -1), .init(index: -1),
            .init(epoch: .max), .init(epoch: .max, index: count),
        ] {
            var position = wrong
            let error = bitNetError { _ = try data.training.batch(of: 1, at: &position) }
            guard case .invalidArgument("position", _) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(position == wrong)
        }
        for wrong in [0, -1, .max] {
            var position = TrainingPosition()
            let error = bitNetError { _ = try data.training.batch(of: wrong, at: &position) }
            guard case .invalidArgument("count", _) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        var end = TrainingPosition(epoch: 0, index: count)
        _ = try data.training.batch(of: 1, at: &end)
        #expect(end == TrainingPosition(epoch: 1, index: 1))
    }

    /// The numbers are from an implementation in Python.
    @Test("the order for a seed is that of earlier versions")
    func golden() throws {
        var generator = SeededGenerator(seed: 1)
        var order = Array(0..<10)
        order.shuffle(seeded: &generator)
        #expect(order == [9, 0, 1, 4, 8, 2, 3, 7, 6, 5])
        let data = try TrainingData(file, context: 30, heldOut: .documents(5), seed: 1)
        #expect(data.validation?.documents == [3, 7, 9, 28, 39])
    }

    // MARK: - Validation

    @Test(
        "whole documents are held out, the same whatever is trained",
        arguments: [
            (TrainingData.HeldOut.documents(6), 6), (.share(0.1), 4), (.share(0.0001), 1),
            (.share(0.974), 39),
        ])
    func heldOut(_ heldOut: TrainingData.HeldOut, _ count: Int) throws {
        let data = try TrainingData(file, context: 8, heldOut: heldOut, seed: 3)
        let validation = try #require(data.validation)
        #expect(validation.documents.count == count)
        #expect(data.training.documentCount == 40 - count)
        #expect(validation.documents == validation.documents.sorted())
        let other = try TrainingData(file, context: 5, heldOut: heldOut, seed: 3)
        #expect(other.validation?.documents == validation.documents)
        if count == 6 {
            let more = try TrainingData(file, context: 8, heldOut: heldOut, seed: 4)
            #expect(more.validation?.documents != validation.documents)
        }
        // Windows of both together are all tokens, so that none is trained on and held out.
        let held = validation.documents.reduce(0) { $0 + file.tokenRange(ofDocument: $1).count }
        #expect(validation.tokenCount == held)
        #expect(data.training.tokenCount == file.tokenCount - held)
        guard data.training.documentCount > 20 else { return }
        let wide = try TrainingData(file, context: 60, heldOut: heldOut, seed: 3)
        let seen = wholeDocuments(in: try windows(wide, wide.training.countPerEpoch * 4, of: 4))
        let ids = try documentTokens
        #expect(seen.isDisjoint(with: validation.documents.map { ids[$0] }))
        #expect(seen.count > 20 && seen.isSubset(of: ids))
    }

    @Test("validation windows are in the order of the file, and count all bytes")
    func validation() throws {
        let data = try TrainingData(file, context: 8, heldOut: .documents(6), seed: 3)
        let validation = try #require(data.validation)
        var tokens: [Int32] = []
        var bytes = 0
        for index in 0..<validation.count {
            let window = try validation.window(index)
            #expect(window.tokens.count == 9 || index == validation.count - 1)
            #expect(window.tokens.count > 1)
            if let last = tokens.last { #expect(window.tokens.first == last) }
            tokens += tokens.isEmpty ? window.tokens : Array(window.tokens.dropFirst())
            bytes += window.byteCount
        }
        let ids = try documentTokens
        #expect(tokens == validation.documents.flatMap { ids[$0] })
        // The first token is begin of text, so nothing is left out.
        #expect(bytes == validation.documents.reduce(0) { $0 + Self.documents[$1].utf8.count })
        #expect(ValidationWindows.bitsPerByte(nats: 16 * log(2), byteCount: 8) == 2)
    }

    @Test("what cannot be held out is refused")
    func tooMuch() throws {
        for heldOut in [
            TrainingData.HeldOut.documents(40), .documents(-1), .share(1), .share(-0.1),
            .share(.nan), .share(0.999),
        ] {
            let error = bitNetError {
                _ = try TrainingData(file, context: 8, heldOut: heldOut, seed: 3)
            }
            guard case .invalidArgument("heldOut", _) = error else {
                Issue.record("\(heldOut): \(String(describing: error))")
                continue
            }
        }
        for context in [0, -1, file.tokenCount, .max] {
            let error = bitNetError {
                _ = try TrainingData(file, context: context, heldOut: .none, seed: 3)
            }
            guard case .invalidArgument("context", _) = error else {
                Issue.record("\(context): \(String(describing: error))")
                continue
            }
        }
    }
}
