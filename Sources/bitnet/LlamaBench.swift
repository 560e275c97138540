import BitNetBench
import BitNetKit
import Foundation
import Synchronization

/// Another engine's benchmark program with the options and the JSON of llama.cpp's `llama-bench`.
struct LlamaBench {
    let program: URL
    let model: URL
    /// Options for it besides those of the tests.
    let options: [String]

    /// The part of a result that counts.
    private struct Result: Decodable {
        let n_prompt: Int
        let n_gen: Int
        let avg_ts: Double
    }

    /// Finds out whether there is such a program before anything is measured.
    func check() throws(BitNetError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.isExecutableFile(atPath: program.path),
            FileManager.default.fileExists(atPath: program.path, isDirectory: &isFolder),
            !isFolder.boolValue
        else {
            throw failure("there is no program of that name that may be started")
        }
    }

    /// Runs each test once and returns the tokens a second, in the tests' order.
    func speeds(
        _ tests: [ModelBenchmark.Test], threads: Int
    ) throws(BitNetError) -> [Double] {
        var speeds: [ModelBenchmark.Test: Double] = [:]
        // Old versions do not know what a depth is: they are asked for one only where there is one.
        for (depth, group) in Dictionary(grouping: tests, by: \.depth).sorted(by: {
            $0.key < $1.key
        }) {
            let results = try run(group, depth: depth, threads: threads)
            for test in group {
                let (prompt, text) = test.isPrefill ? (test.count, 0) : (0, test.count)
                speeds[test] = results.first { $0.n_prompt == prompt && $0.n_gen == text }?.avg_ts
            }
        }
        return try tests.map { (test) throws(BitNetError) in
            guard let speed = speeds[test] else { throw failure("it has no result for \(test)") }
            return speed
        }
    }

    private func run(
        _ tests: [ModelBenchmark.Test], depth: Int, threads: Int
    ) throws(BitNetError) -> [Result] {
        let prompts = tests.filter(\.isPrefill).map { "\($0.count)" }
        let texts = tests.filter { !$0.isPrefill }.map { "\($0.count)" }
        var arguments = ["-m", model.path, "-t", "\(threads)", "-r", "1", "-o", "json"]
        // Without a list it would take its own.
        arguments += ["-p", prompts.isEmpty ? "0" : prompts.joined(separator: ",")]
        arguments += ["-n", texts.isEmpty ? "0" : texts.joined(separator: ",")]
        if depth > 0 { arguments += ["-d", "\(depth)"] }
        return try results(of: try output(arguments + options))
    }

    /// The array in what the program has printed. Some versions say other things first, or warn in the
    /// middle of it: only lines that begin as those of `llama-bench`'s JSON do are read.
    private func results(of output: Data) throws(BitNetError) -> [Result] {
        let lines = output.split(separator: UInt8(ascii: "\n"))
            .drop { !$0.starts(with: "[".utf8) }
            .filter { line in
                line.first { $0 != UInt8(ascii: " ") }.map("[]{}\"".utf8.contains) ?? false
            }
        guard !lines.isEmpty else { throw failure("it has printed no array of JSON") }
        do {
            return try JSONDecoder().decode([Result].self, from: Data(lines.joined()))
        } catch {
            throw failure("it has printed no results of llama-bench: \(error)")
        }
    }

    /// Runs the program to its end and returns what it has printed.
    private func output(_ arguments: [String]) throws(BitNetError) -> Data {
        let process = Process()
        let (output, complaints) = (Pipe(), Pipe())
        process.executableURL = program
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = complaints
        let said = Said()
        do {
            try process.run()
        } catch {
            throw failure("it cannot be started: \(error.localizedDescription)")
        }
        // Both are read at once: a full pipe that nobody reads would stop the program.
        let isRead = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            while case let data = complaints.fileHandleForReading.availableData, !data.isEmpty {
                said.append(data)
            }
            isRead.signal()
        }
        let printed = (try? output.fileHandleForReading.readToEnd()) ?? Data()
        process.waitUntilExit()
        isRead.wait()
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw failure("it ended with code \(process.terminationStatus)\(said.lastLine)")
        }
        return printed
    }

    private func failure(_ detail: String) -> BitNetError {
        .invalidArgument(name: program.path, detail: detail)
    }

    /// The end of what a program says on standard error, which may be much.
    private final class Said: Sendable {
        private let text = Mutex(Data())

        func append(_ data: Data) { text.withLock { $0 = ($0 + data).suffix(4096) } }

        var lastLine: String {
            let lines = text.withLock { $0 }.split(separator: UInt8(ascii: "\n"))
            return lines.last.map { ": " + String(decoding: $0, as: UTF8.self) } ?? ""
        }
    }
}

extension ModelBenchmark.Test {
    fileprivate var isPrefill: Bool {
        if case .prefill = self { true } else { false }
    }
}
