import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Reads everything a directory offers, so that a bad offset would be used; returns bytes seen.
private func walk(_ file: GGUFFile) -> Int {
    var seen = 0
    func walk(_ array: GGUFArray) {
        seen += array.ints?.count ?? array.doubles?.count ?? array.bools?.count ?? 0
        for string in array.strings.map({ Array($0) }) ?? [] { seen += string.utf8.count }
        for inner in array.arrays ?? [] { walk(inner) }
    }
    for entry in file.metadata {
        seen += entry.value.string?.utf8.count ?? entry.value.int.map { _ in 1 } ?? 0
        if let array = entry.value.array { walk(array) }
    }
    return file.tensors.reduce(seen) { $0 + ends(of: $1) }
}

private func ends(of tensor: CheckpointTensor) -> Int {
    let bytes = (try? tensor.region.bytes) ?? []
    return Int(bytes.first ?? 0) + Int(bytes.last ?? 0) + tensor.elementCount
}

/// True where the bytes open and can be read, false where they are refused with a typed error.
private func opensAsGGUF(_ bytes: [UInt8]) -> Bool {
    do {
        _ = walk(try GGUFFile(ByteRegion(bytes)))
        return true
    } catch { return false }
}

private func opensAsSafetensors(_ bytes: [UInt8]) -> Bool {
    do {
        let file = try SafetensorsFile(ByteRegion(bytes))
        _ = file.tensors.reduce(0) { $0 &+ ends(of: $1) }
        return true
    } catch { return false }
}

@Suite("Damaged files are refused or readable, never a crash")
struct FormatsFuzzTests {
    private static let safetensors = rawSafetensors(
        """
        {"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},\
        "b":{"dtype":"U8","shape":[3,4],"data_offsets":[8,20]}}
        """, data: 20)

    @Test("every truncation of a GGUF file is refused")
    func truncatedGGUF() {
        let raw = RawGGUF.everything
        let bytes = raw.bytes
        // The last tensor ends 28 bytes before the end; what follows is padding.
        let needed = bytes.count - 28
        for length in 0..<needed { #expect(!opensAsGGUF(Array(bytes[..<length]))) }
        for length in needed...bytes.count { #expect(opensAsGGUF(Array(bytes[..<length]))) }
    }

    @Test("every truncation of a safetensors file is refused")
    func truncatedSafetensors() {
        let bytes = Self.safetensors
        for length in 0..<bytes.count { #expect(!opensAsSafetensors(Array(bytes[..<length]))) }
        #expect(opensAsSafetensors(bytes))
    }

    @Test("every byte of a header can be changed")
    func changedBytes() {
        var refused = 0
        let gguf = RawGGUF.everything.bytes
        for position in 0..<gguf.count - 256 {
            for value in [0, 1, 0x7F, 0x80, 0xFF, gguf[position] ^ 1, gguf[position] ^ 0x40] {
                var bytes = gguf
                bytes[position] = value
                if !opensAsGGUF(bytes) { refused += 1 }
            }
        }
        #expect(refused > 1_000)
        refused = 0
        for position in 0..<Self.safetensors.count - 20 {
            for value in Array("\"{}[],:0-9e\\".utf8) + [0, 0xFF] {
                var bytes = Self.safetensors
                bytes[position] = value
                if !opensAsSafetensors(bytes) { refused += 1 }
            }
        }
        #expect(refused > 1_000)
    }

    @Test("several changes at once", arguments: 0..<4)
    func manyChanges(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        let gguf = RawGGUF.everything.bytes
        for _ in 0..<1_500 {
            _ = opensAsGGUF(damage(gguf, header: gguf.count - 256, &random))
            _ = opensAsSafetensors(
                damage(Self.safetensors, header: Self.safetensors.count - 20, &random))
        }
    }

    /// Changes up to four bytes of the header, and in one case of four moves a part of it.
    private func damage(
        _ bytes: [UInt8], header: Int, _ random: inout SplitMix64
    ) -> [UInt8] {
        var bytes = bytes
        for _ in 0...random.next() % 4 {
            bytes[Int(random.next() % UInt64(header))] = UInt8(truncatingIfNeeded: random.next())
        }
        if random.next() % 4 == 0 {
            let start = Int(random.next() % UInt64(header))
            let part = bytes[start..<min(header, start + Int(random.next() % 32))]
            bytes.insert(contentsOf: part, at: Int(random.next() % UInt64(header)))
        }
        return bytes
    }

    @Test(
        "reference files, truncated and changed",
        .enabled(if: ReferenceData.isAvailable, "reference data not found"),
        arguments: referenceGGUFs)
    func referenceGGUF(path: String) throws {
        let bytes = try read(path)
        let header = 6_800
        for length in Array(0..<512) + Array(stride(from: 513, to: header, by: 61)) {
            #expect(!opensAsGGUF(Array(bytes[..<length])))
        }
        var random = SplitMix64(seed: 7)
        for _ in 0..<150 { _ = opensAsGGUF(damage(bytes, header: header, &random)) }
        #expect(opensAsGGUF(bytes))
    }

    @Test(
        "reference safetensors headers, truncated and changed",
        .enabled(if: ReferenceData.isAvailable, "reference data not found"),
        arguments: referenceFolders)
    func referenceSafetensors(folder: String) throws {
        let bytes = try read(folder + "/model.safetensors")
        for length in Array(0..<512) + Array(stride(from: 513, to: 1_300, by: 61)) {
            #expect(!opensAsSafetensors(Array(bytes[..<length])))
        }
        var random = SplitMix64(seed: 8)
        for _ in 0..<150 { _ = opensAsSafetensors(damage(bytes, header: 1_300, &random)) }
        #expect(opensAsSafetensors(bytes))
    }

    private func read(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: try #require(ReferenceData.url(path))))
    }
}
