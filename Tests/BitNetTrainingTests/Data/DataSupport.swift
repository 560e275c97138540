import Foundation

@testable import BitNetTraining

/// A folder of its own, which is removed with this value.
final class ScratchFolder: Sendable {
    let url = FileManager.default.temporaryDirectory
        .appendingPathComponent("bitnet-data-\(UInt64.random(in: 0 ... .max))")

    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func file(_ name: String) -> URL { url.appendingPathComponent(name) }

    /// Names of all files.
    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() }
    }
}

enum Stories {
    /// So many short documents, each with a word of its own.
    static func documents(_ count: Int) -> [String] {
        (0..<count).map { number in
            let ending = String(repeating: " and on", count: number % 5)
            return "Story \(number): the cat sat on mat \(number * 7919)\(ending)."
        }
    }

    static let tokenizer: TrainedTokenizer = {
        do {
            return try BytePairTrainer(vocabularySize: 400)
                .train(TrainingCorpus(documents: documents(50)))
        } catch { fatalError("\(error)") }
    }()
}

/// The error that `body` throws, if it throws one of the library's.
func bitNetError(_ body: () throws -> Void) -> BitNetError? {
    do {
        try body()
        return nil
    } catch { return error as? BitNetError }
}
