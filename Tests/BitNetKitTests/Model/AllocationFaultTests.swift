import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// What a program does with a model, from its file to a saved session.
private struct ModelLife {
    let url: URL
    let folder: TemporaryFolder

    /// Everything that came out: two texts, and an answer of a restored session.
    func run() async throws(BitNetError) -> [String] {
        let options = GenerationOptions(maximumResponseTokens: 3)
        let model = try await BitNetModel.load(url, options: LoadOptions(threads: 2))
        let text = try await model.generate("the cat", options: options).text
        let session = try BitNetSession(model: model, context: 64)
        let first = try await session.respond(to: "one", options: options).text
        let file = URL(fileURLWithPath: folder.file("session"))
        try await session.save(to: file)
        let later = try await BitNetSession.restore(from: file, model: model)
        let fork = try await later.fork()
        return [text, first, try await fork.respond(to: "two", options: options).text]
    }
}

/// Bytes of all buffers once those that are on their way out are gone.
private func settledBytes(_ expected: Int) async throws -> Int {
    for _ in 0..<1000 where AllocationFaults.liveBytes != expected {
        try await Task.sleep(for: .milliseconds(2))
    }
    return AllocationFaults.liveBytes
}

/// Lets allocations fail one after the other, and expects a typed error or the right result each
/// time, no memory left, and the right result afterwards.
private func failEach(
    _ numbers: (_ count: Int) -> StrideTo<Int>, in life: ModelLife
) async throws {
    AllocationFaults.begin()
    let expected = try await life.run()
    let idle = try await settledBytes(0)
    AllocationFaults.fail(0)
    #expect(try await life.run() == expected)
    let count = AllocationFaults.allocationCount
    try #require(count > 50)
    var failures = 0
    for number in numbers(count) {
        AllocationFaults.fail(number)
        do throws(BitNetError) {
            #expect(try await life.run() == expected, "allocation \(number)")
        } catch .outOfMemory {
            failures += 1
        } catch {
            Issue.record("allocation \(number): \(error)")
        }
        AllocationFaults.fail(0)
        #expect(try await settledBytes(idle) == idle, "allocation \(number)")
    }
    #expect(failures > numbers(count).reduce(0) { count, _ in count + 1 } / 2)
    #expect(try await life.run() == expected)
}

@Suite("Allocations that fail")
struct AllocationFaultTests {
    @Test("a small model's whole life: each allocation fails once")
    func everyAllocation() async {
        await #expect(processExitsWith: .success) {
            let life = ModelLife(url: TinyModel.llamaGGUF, folder: try TemporaryFolder())
            try await failEach({ stride(from: 1, to: $0 + 1, by: 1) }, in: life)
        }
    }

    @Test("the sample model's whole life: some of its allocations fail")
    func someAllocations() async {
        await #expect(processExitsWith: .success) {
            let life = ModelLife(url: try BitNetSampleModel.url, folder: try TemporaryFolder())
            try await failEach({ stride(from: 1, to: $0 + 1, by: max(1, $0 / 24)) }, in: life)
        }
    }

    @Test("a session goes on after an answer for which there was no memory")
    func session() async {
        await #expect(processExitsWith: .success) {
            let model = try BitNetModel(loading: TinyModel.llamaGGUF)
            let options = GenerationOptions(maximumResponseTokens: 300)
            func answers(failing number: Int) async throws -> (texts: [String], errors: Int) {
                let session = try BitNetSession(model: model)
                var (texts, errors): ([String], Int) = ([], 0)
                AllocationFaults.fail(number)
                while texts.count < 2 {
                    do throws(BitNetError) {
                        texts.append(try await session.respond(to: "one", options: options).text)
                    } catch .outOfMemory {
                        errors += 1
                    }
                }
                return (texts, errors)
            }
            AllocationFaults.begin()
            let expected = try await answers(failing: 0).texts
            let count = AllocationFaults.allocationCount
            try #require(count > 0)
            for number in 1...count {
                let found = try await answers(failing: number)
                #expect(found.texts == expected && found.errors == 1, "allocation \(number)")
            }
        }
    }
}
