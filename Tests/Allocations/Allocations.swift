// Decoding allocates nothing for a token, and reading a second prompt of the same length nothing at
// all: counts calls of malloc and mmap in every way of computing. `.ci/allocations` builds it.
//
// With several threads a job that they share costs one small block for its closure, which has to be
// on the heap where another thread sees it (`withoutActuallyEscaping`); there, only larger blocks
// count.
//
//     allocations [--trace] NAME=MODEL...    --trace prints the stack of each allocation

import BitNetKit
import Foundation
import TernaryCompute

@_silgen_name("allocations_begin") private func beginCounting(_ bytes: Int, _ trace: Bool)
@_silgen_name("allocations_end") private func endCounting() -> Int

/// One way of computing.
struct Way {
    var threads: Int
    var layout: TernaryLayout
    var sparsity: Sparsity
    var lmHead: LMHeadStorage
    var cache: KVCachePrecision

    /// Everything once with something else.
    static let all: [Way] = {
        var ways: [Way] = []
        for threads in [1, 3] {
            for head in LMHeadStorage.allCases {
                for cache in KVCachePrecision.allCases {
                    ways.append(
                        Way(
                            threads: threads,
                            layout: TernaryLayout.allCases[
                                ways.count % TernaryLayout.allCases.count],
                            sparsity: Sparsity.allCases[ways.count / 2 % Sparsity.allCases.count],
                            lmHead: head, cache: cache))
                }
            }
        }
        return ways
    }()
}

/// Larger than a closure with a captured context.
let closureBytes = 64

/// Allocations of at least `bytes` while something ran.
func allocations(from bytes: Int, trace: Bool, _ body: () throws -> Void) rethrows -> Int {
    beginCounting(bytes, trace)
    defer { _ = endCounting() }
    try body()
    return endCounting()
}

/// Counts in one way; returns a line for each step that has allocated.
func check(_ transformer: Transformer, _ way: Way, trace: Bool) throws -> [String] {
    let configuration = transformer.configuration
    let count = min(configuration.contextLength - 20, 150)
    let vocabulary = min(configuration.vocabularySize, 256)
    let context = try InferenceContext(
        transformer, contextLength: count + 20, cache: way.cache)
    context.setLogitsNeeded(.top(1))
    let prompt = (0..<count).map { ($0 * 37 + 11) % vocabulary }
    let other = (0..<count).map { ($0 * 31 + 7) % vocabulary }
    var token = [5]
    // What is made when it is first used.
    try context.forward(prompt)
    for id in 0..<2 {
        token[0] = id
        try context.forward(token)
    }
    var lines: [String] = []
    let bytes = way.threads == 1 ? 0 : closureBytes
    let decoding = try allocations(from: bytes, trace: trace) {
        for id in 0..<8 {
            token[0] = id
            try context.forward(token)
        }
    }
    if decoding > 0 { lines.append("8 tokens: \(decoding) allocations with \(way)") }
    let prefill = try allocations(from: bytes, trace: trace) {
        context.rewind(to: 0)
        try context.forward(other)
    }
    if prefill > 0 { lines.append("a second prompt: \(prefill) allocations with \(way)") }
    return lines
}

@main
struct Allocations {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let isTracing = arguments.first == "--trace"
        var (runs, lines) = (0, [String]())
        for argument in arguments.dropFirst(isTracing ? 1 : 0) {
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            for way in Way.all {
                var options = LoadOptions(
                    threads: way.threads, layout: way.layout, lmHead: way.lmHead,
                    sparsity: way.sparsity)
                // Small models have nothing that is worth sharing.
                options.sharing = .every
                guard
                    let model = try? await BitNetModel.load(
                        URL(fileURLWithPath: parts[1]), options: options)
                else { continue }  // rows are no whole number of the head's blocks
                lines += try check(model.transformer, way, trace: isTracing)
                    .map { "\(parts[0]): \($0)" }
                runs += 1
            }
        }
        for line in lines { print(line) }
        print("\(runs) runs, \(lines.count) with allocations")
        exit(runs > 0 && lines.isEmpty ? 0 : 1)
    }
}
