import Foundation
import Synchronization
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

#if os(Linux)
    /// Bytes of address space that the process has.
    private func addressSpace() throws -> UInt {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            .split(separator: " ").first.flatMap { UInt($0) }
        return try #require(pages) * UInt(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Runs `body` in a process that cannot get more than `bytes` of address space.
    private func limited<Result>(
        to bytes: UInt, _ body: () throws -> Result
    ) throws -> Result {
        var old = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &old)
        var new = rlimit(rlim_cur: rlim_t(try addressSpace() + bytes), rlim_max: old.rlim_max)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &new)
        defer { setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &old) }
        return try body()
    }

    @Suite("Threads that the system refuses to start")
    struct RefusedThreadTests {
        @Test("a pool has fewer threads then, and does all of the work")
        func pool() async {
            await #expect(processExitsWith: .success) {
                // A thread takes the address space of its stack, 8 MB.
                let pool = try limited(to: 40 << 20) { WorkerPool(threads: 64, sharing: .every) }
                #expect((1..<64).contains(pool.threads))
                let sum = Mutex(0)
                pool.parallel(1000, work: 1000) { _, range in
                    sum.withLock { $0 += range.reduce(0, +) }
                }
                #expect(sum.withLock { $0 } == 499_500)
            }
        }

        @Test(
            "loading is an error where no thread starts at all, and does not wait for one",
            .timeLimit(.minutes(10)))
        func none() async {
            await #expect(processExitsWith: .success) {
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
                let old = limit
                limit.rlim_cur = rlim_t(try addressSpace() + (40 << 20))
                setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
                // Takes all the threads there are.
                let pool = WorkerPool(threads: 64, sharing: .every)
                #expect(pool.threads < 64)
                do throws(BitNetError) {
                    _ = try await BitNetModel.load(TinyModel.llamaGGUF)
                    fatalError("a thread started")
                } catch .outOfMemory(_, let purpose) {
                    #expect(purpose.contains("a thread"))
                } catch { fatalError("\(error)") }
                var all = old
                setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &all)
                _ = try await BitNetModel.load(TinyModel.llamaGGUF)
                withExtendedLifetime(pool) {}
            }
        }

        @Test("a model is loaded with fewer threads then, says so, and computes the same bits")
        func model() async {
            await #expect(processExitsWith: .success) {
                let expected = try TinyModel.logits(TinyModel.llamaGGUF)
                let model = try limited(to: 80 << 20) {
                    try BitNetModel(
                        loading: TinyModel.llamaGGUF, options: LoadOptions(threads: 64))
                }
                #expect((1..<64).contains(model.threads))
                #expect(
                    model.warnings.contains {
                        $0.contains("the system let \(model.threads) of 64 threads start")
                    })
                let context = try InferenceContext(
                    model.transformer, contextLength: TinyModel.tokens.count, cache: .f32)
                #expect(try context.allLogits(TinyModel.tokens) == expected)
            }
        }
    }
#endif
