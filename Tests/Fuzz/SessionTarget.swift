// Saved sessions of the tiny model. The mutator puts the checksum right again, which would refuse
// everything else.

import BitNetFiles
import Foundation
import TernaryCompute

@testable import BitNetKit

@_silgen_name("__lsan_disable")
private func ignoreLeaks()

@_silgen_name("__lsan_enable")
private func noteLeaks()

extension FuzzTarget {
    private static let model: BitNetModel = {
        // What only the payloads of enums refer to, in its template, looks lost to the detector.
        ignoreLeaks()
        defer { noteLeaks() }
        let path = write(RawGGUF.tinyModel(architecture: "bitnet-b1.58").bytes, to: "tiny.gguf")
        do {
            return try BitNetModel(
                loading: URL(fileURLWithPath: path), options: LoadOptions(threads: 1, layout: .t2))
        } catch { fail("\(error)") }
    }()

    static let session = FuzzTarget(
        name: "session",
        seeds: {
            var seeds: [[UInt8]] = []
            let overflows: [ContextOverflow] = [.error, .slidingWindow(sinks: 2, keeping: 16)]
            for cache in [KVCachePrecision.f32, .f16, .int8] {
                for overflow in overflows {
                    let path = scratchFolder + "/session"
                    try wait { () async throws(BitNetError) in
                        let session = try BitNetSession(
                            model: model, instructions: "Say.", context: 60, cache: cache,
                            overflow: overflow)
                        _ = try await session.respond(
                            to: "the ab", options: GenerationOptions(maximumResponseTokens: 3))
                        try await session.save(to: URL(fileURLWithPath: path))
                    }
                    seeds.append([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
                }
            }
            return seeds
        },
        run: { bytes in
            let first = URL(fileURLWithPath: write(bytes, to: "session"))
            let (second, third) = (
                URL(fileURLWithPath: scratchFolder + "/session-2"),
                URL(fileURLWithPath: scratchFolder + "/session-3")
            )
            try wait { () async throws(BitNetError) in
                let session = try await BitNetSession.restore(from: first, model: model)
                try await session.save(to: second)
                do throws(BitNetError) {
                    try await BitNetSession.restore(from: second, model: model).save(to: third)
                } catch { fail("what was saved is refused: \(error)") }
                _ = try await session.respond(
                    to: "the", options: GenerationOptions(maximumResponseTokens: 2))
                try await session.save(to: third)
            }
        },
        mutate: { bytes, mutation in
            let changed = mutation.plain(bytes)
            guard mutation.random.below(16) != 0, changed.count > 8 else { return changed }
            let body = Array(changed.dropLast(8))
            var (checksum, raw) = (Checksum(), RawBytes(bytes: body))
            checksum.update(body)
            raw.number(checksum.value)
            return raw.bytes
        })

    /// Runs asynchronous work on another thread and waits for it.
    private static func wait(
        _ body: @escaping @Sendable () async throws(BitNetError) -> Void
    ) throws(BitNetError) {
        let done = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var result: Result<Void, BitNetError> = .success(())
        Task.detached {
            do throws(BitNetError) { try await body() } catch { result = .failure(error) }
            done.signal()
        }
        done.wait()
        try result.get()
    }
}
