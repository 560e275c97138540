// One program for every target: FUZZ_TARGET names the one that libFuzzer runs. With FUZZ_SEEDS it
// writes the target's corpus and dictionary into that folder instead. `.ci/fuzz` builds and runs it.

import Foundation
import TernaryCompute

/// What libFuzzer's own mutator does to a buffer.
@_silgen_name("LLVMFuzzerMutate")
private func libFuzzerMutate(
    _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ maximumSize: Int
) -> Int

/// Something that reads bytes nobody has checked.
struct FuzzTarget: Sendable {
    let name: String
    /// Inputs to begin with.
    let seeds: @Sendable () throws -> [[UInt8]]
    /// Words that texts of this kind are made of.
    var words: [String] = []
    /// Throws `BitNetError` where the input is refused; anything else that goes wrong ends the
    /// program.
    let run: @Sendable ([UInt8]) throws -> Void
    /// Changes an input and keeps its shape; nil where libFuzzer's mutator does well enough.
    var mutate: (@Sendable ([UInt8], inout Mutation) -> [UInt8])?

    static let all: [FuzzTarget] = [
        .gguf, .safetensors, .session, .json, .tokenizerJSON, .sentencePiece, .tiktoken,
        .expression, .jinja, .chat, .gbnf, .jsonSchema,
    ]

    static let chosen: FuzzTarget = {
        let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? ""
        guard let target = all.first(where: { $0.name == name }) else {
            fail("FUZZ_TARGET is one of: \(all.map(\.name).joined(separator: " "))")
        }
        return target
    }()
}

/// One call of libFuzzer for a changed input.
struct Mutation {
    var random: FuzzRandom
    let maximumSize: Int

    /// What libFuzzer's mutator makes of a part of the input.
    func plain(_ bytes: [UInt8], maximumSize: Int? = nil) -> [UInt8] {
        let room = max(maximumSize ?? self.maximumSize, bytes.count, 1)
        return [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            guard let base = buffer.baseAddress else { return }
            _ = buffer.initialize(from: bytes)
            count = libFuzzerMutate(base, bytes.count, room)
        }
    }
}

/// SplitMix64.
struct FuzzRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ count: Int) -> Int { count <= 0 ? 0 : Int(next() % UInt64(count)) }
}

/// Ends the program, so that libFuzzer keeps the input.
func fail(_ what: String) -> Never {
    FileHandle.standardError.write(Data("FAILED: \(what)\n".utf8))
    abort()
}

/// What must hold of every input that is not refused.
func check(_ isTrue: Bool, _ what: @autoclosure () -> String) {
    if !isTrue { fail(what()) }
}

/// Where the package lies; its fixtures are seeds.
func fixture(_ name: String) throws -> [UInt8] {
    let root = ProcessInfo.processInfo.environment["FUZZ_ROOT"] ?? "."
    let url = URL(fileURLWithPath: root + "/Tests/BitNetKitTests/Fixtures/" + name)
    return [UInt8](try Data(contentsOf: url))
}

/// A folder of this process in memory, for what can only be read from files.
let scratchFolder: String = {
    let path = "/dev/shm/bitnetkit-fuzz-\(getpid())"
    do {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch { fail("\(error)") }
    atexit { try? FileManager.default.removeItem(atPath: "/dev/shm/bitnetkit-fuzz-\(getpid())") }
    return path
}()

@discardableResult
func write(_ bytes: [UInt8], to name: String) -> String {
    let path = scratchFolder + "/" + name
    do { try Data(bytes).write(to: URL(fileURLWithPath: path)) } catch { fail("\(error)") }
    return path
}

// MARK: - libFuzzer's entry points

/// Processor time that one input may take. Instrumented code is some four times slower than a
/// release build, where this is one second.
private let maximumSeconds = 4.0

private func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutableRawPointer
) -> CInt {
    let target = FuzzTarget.chosen
    guard let folder = ProcessInfo.processInfo.environment["FUZZ_SEEDS"] else { return 0 }
    do {
        for (index, seed) in try target.seeds().enumerated() {
            try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/seed-\(index)"))
        }
        let words = target.words.map { word in
            let digits = word.utf8.map { ($0 < 16 ? "\\x0" : "\\x") + String($0, radix: 16) }
            return "\"\(digits.joined())\"\n"
        }
        try words.joined().write(
            toFile: folder + ".words", atomically: false, encoding: .utf8)
    } catch { fail("\(error)") }
    exit(0)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let target = FuzzTarget.chosen
    let start = processorSeconds()
    do {
        try target.run(Array(UnsafeBufferPointer(start: data, count: size)))
    } catch let error as BitNetError {
        check(!error.description.isEmpty, "an error without a word")
    } catch { fail("an error of another type: \(error)") }
    let seconds = processorSeconds() - start
    check(seconds < maximumSeconds, "\(target.name): \(size) bytes took \(seconds) s")
    return 0
}

@_cdecl("LLVMFuzzerCustomMutator")
public func customMutator(
    _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ maximumSize: Int, _ seed: CUnsignedInt
) -> Int {
    guard let mutate = FuzzTarget.chosen.mutate else {
        return libFuzzerMutate(data, size, maximumSize)
    }
    var mutation = Mutation(random: FuzzRandom(seed: UInt64(seed)), maximumSize: maximumSize)
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    let changed = mutate(bytes, &mutation)
    guard changed.count <= maximumSize, changed != bytes else {
        return libFuzzerMutate(data, size, maximumSize)
    }
    for (index, byte) in changed.enumerated() { data[index] = byte }
    return changed.count
}
