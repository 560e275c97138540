// Ways of computing against the logits that are recorded: all kernel sets, layouts, numbers of
// threads, kinds of sparsity, and lengths in which a prompt is read. `.ci/determinism` builds it.
//
//     determinism [--all] logits.txt NAME=MODEL...    compares; --all with everything in every way
//     determinism --record logits.txt NAME=MODEL...   writes the file anew, with scalar kernels
//
// A line of the file: model, cache, LM head, and the hash of the logits of all response tokens.

import BitNetFiles
import BitNetKit
import Foundation
import Synchronization
import TernaryCompute

/// What changes the result; everything else must not.
struct Subject: Hashable, Comparable {
    let model: String
    let cache: KVCachePrecision
    let lmHead: LMHeadStorage

    var line: String { "\(model) \(cache.rawValue) \(lmHead.rawValue)" }
    static func < (left: Self, right: Self) -> Bool { left.line < right.line }
}

/// One way of computing.
struct Way {
    var instructionSet: String
    var layout: TernaryLayout
    var threads: Int
    var sparsity: Sparsity

    var options: LoadOptions {
        var options = LoadOptions(
            threads: threads, instructionSet: instructionSet, layout: layout, sparsity: sparsity)
        // Small models have nothing that is worth sharing.
        options.sharing = .every
        return options
    }

    static let scalar = Way(instructionSet: "scalar", layout: .t2, threads: 1, sparsity: .off)

    /// Every kernel set with every layout and number of threads; of the rest, what each has with
    /// each is spread over them.
    static let all: [Way] = {
        var ways: [Way] = []
        for set in KernelSet.available {
            for layout in TernaryLayout.allCases {
                for (index, threads) in [1, 2, 5].enumerated() {
                    let sparsity = Sparsity.allCases[(ways.count / 3 + index) % 3]
                    ways.append(
                        Way(
                            instructionSet: set.name, layout: layout, threads: threads,
                            sparsity: sparsity))
                }
            }
        }
        return ways
    }()
}

/// Prompts of a batch, of more, and of a token: the longer ones begin with the shorter ones, and
/// the last is read token by token as the response to it.
let promptLengths = [1, 2, 5, 67, 125, 129]
let responseLength = 3

/// A hash of the logits of all response tokens, for every prompt.
func hash(_ model: BitNetModel, cache: KVCachePrecision, lengths: [Int]) async throws -> UInt64 {
    let count = min(model.configuration.vocabularySize, 256)
    let checksum = Mutex(Checksum())
    let room = model.configuration.contextLength - responseLength
    for length in lengths where length <= room {
        let prompt = (0..<length).map { ($0 * 37 + 11) % count }
        let options = GenerationOptions(
            maximumResponseTokens: responseLength, contextLength: length + responseLength,
            kvCache: cache)
        _ = try await model.generate(
            tokens: prompt, options: options,
            processors: [
                { _, logits in
                    let values = logits.indices.map { logits[$0] }
                    checksum.withLock { $0.update(values) }
                }
            ])
    }
    return checksum.withLock { $0.value }
}

struct Recorded {
    var hashes: [Subject: String] = [:]

    init() {}

    init(path: String) throws {
        for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 4, let cache = KVCachePrecision(rawValue: words[1]),
                let lmHead = LMHeadStorage(rawValue: words[2])
            else { throw BitNetError.malformedFile(path: path, detail: "the line '\(line)'") }
            hashes[Subject(model: words[0], cache: cache, lmHead: lmHead)] = words[3]
        }
    }

    func write(to path: String) throws {
        let lines = hashes.sorted { $0.key < $1.key }.map { "\($0.key.line) \($0.value)\n" }
        try lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
    }
}

/// The heads that a model can have: rows have to be whole blocks of the type.
func lmHeads(_ model: BitNetModel) -> [LMHeadStorage] {
    LMHeadStorage.allCases.filter { head in
        let block = head == .q6_K ? 256 : head == .q8_0 || head == .q4_0 ? 32 : 1
        return model.configuration.hiddenSize % block == 0
    }
}

/// What is computed of a model, and how; with `isComplete` everything in every way.
func plan(
    _ name: String, _ heads: [LMHeadStorage], ways: [Way], isComplete: Bool
) -> [(way: Way, subject: Subject)] {
    let subjects = heads.flatMap { head in
        KVCachePrecision.allCases.map { Subject(model: name, cache: $0, lmHead: head) }
    }
    if isComplete { return ways.flatMap { way in subjects.map { (way, $0) } } }
    // Five is prime to the number of subjects, which are three for each head.
    return ways.enumerated().map { ($1, subjects[$0 * 5 % subjects.count]) }
}

/// Computes what there is to compute of the models; returns the number of differences.
func run(
    _ models: [String], path: String, isRecording: Bool, isComplete: Bool
) async throws -> Int {
    var recorded = isRecording ? Recorded() : try Recorded(path: path)
    var (runs, differences) = (0, 0)
    for argument in models {
        let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
        let (name, url) = (parts[0], URL(fileURLWithPath: parts[1]))
        let heads = lmHeads(try await BitNetModel.load(url, options: Way.scalar.options))
        let ways = isRecording ? [.scalar] : Way.all
        for (way, subject) in plan(
            name, heads, ways: ways, isComplete: isRecording || isComplete)
        {
            var options = way.options
            options.lmHead = subject.lmHead
            let model = try await BitNetModel.load(url, options: options)
            let value = try await hash(model, cache: subject.cache, lengths: promptLengths)
            let found = String(value, radix: 16)
            runs += 1
            if isRecording {
                recorded.hashes[subject] = found
            } else if recorded.hashes[subject] != found {
                differences += 1
                print("\(subject.line): \(found) with \(way)")
            }
        }
    }
    if isRecording { try recorded.write(to: path) }
    let sets = KernelSet.available.map(\.name).joined(separator: ", ")
    print("\(runs) runs (\(sets)), \(differences) differences")
    return runs == 0 ? 1 : differences
}

@main
struct Determinism {
    static func main() async {
        var arguments = Array(CommandLine.arguments.dropFirst())
        let options = arguments.prefix { $0.hasPrefix("--") }
        arguments.removeFirst(options.count)
        do {
            let differences = try await run(
                Array(arguments.dropFirst()), path: arguments.first ?? "",
                isRecording: options.contains("--record"), isComplete: options.contains("--all"))
            exit(differences == 0 ? 0 : 1)
        } catch {
            print(error)
            exit(1)
        }
    }
}
