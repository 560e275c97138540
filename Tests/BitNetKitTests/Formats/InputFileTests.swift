import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Open files and byte regions")
struct InputFileTests {
    @Test("a file's region has its bytes, read whole, in parts, in pieces, by threads, or mapped")
    func contents() throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let region = FileRegion(try InputFile(opening: try folder.write("a", bytes)))
        #expect(try region.bytes == bytes)
        let part = try region.slice(9_000..<19_999)
        #expect(try part.bytes == Array(bytes[9_000..<19_999]))
        #expect(try part.slice(1..<3).range == 9_001..<9_003)
        var pieces: [UInt8] = []
        try part.forEachPiece(of: 1_000) { (piece) throws(BitNetError) in pieces += piece.bytes }
        #expect(pieces == Array(bytes[9_000..<19_999]))
        let target = try AlignedBuffer<UInt8>(count: part.count, purpose: "test")
        try part.read(into: target.view, pool: WorkerPool(threads: 3, sharing: .every))
        #expect(target.array == pieces)
        let mapped = try #require(try part.mapped())
        #expect(mapped.count == part.count)
        #expect(mapped.start.load(as: UInt8.self) == bytes[9_000])
    }

    @Test("a region keeps its file open, also where that has another name by now")
    func lifetime() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a", [1, 2, 3])
        let region = try FileRegion(try InputFile(opening: path)).slice(1..<3)
        #expect(rename(try folder.write("b", [7, 8, 9]), path) == 0)
        #expect(try region.bytes == [2, 3])
        #expect(region.path == path)
    }

    @Test("a parser that needs more than the beginning of a file gets more, whatever it needs")
    func longBeginning() throws {
        let folder = try TemporaryFolder()
        let size = 90 << 20
        let path = try folder.write("a", [1])
        #expect(truncate(path, off_t(size)) == 0)
        let file = try InputFile(opening: path)
        var calls = 0
        let found = try file.parseBeginning(of: size) { (region) throws(BitNetError) in
            calls += 1
            #expect(region.count == size)
            #expect(try region.integer(at: 0, as: UInt8.self) == 1)
            return try region.slice(size - 3..<size).bytes
        }
        #expect(found == [0, 0, 0])
        #expect(calls == 2)
        #expect(
            failure { () throws(BitNetError) in
                try file.parseBeginning(of: size) { (region) throws(BitNetError) in
                    try region.slice(0..<size + 1)
                }
            }?.isMalformedFile == true)
    }

    @Test("what is no readable file gives a typed error")
    func errors() throws {
        let folder = try TemporaryFolder()
        let empty = try folder.write("empty", [])
        #expect(
            failure { () throws(BitNetError) in try InputFile(opening: empty) }?.isMalformedFile
                == true)
        let isFolder = failure { () throws(BitNetError) in try InputFile(opening: folder.path) }
        #expect(isFolder?.isUnreadable == true)
        let missing = folder.file("none")
        #expect(
            failure { () throws(BitNetError) in try InputFile(opening: missing) }
                == .fileNotFound(path: missing))
        let device = failure { () throws(BitNetError) in try InputFile(opening: "/dev/null") }
        #expect(device?.isUnreadable == true)
        // In C the name would end at the zero, and "empty" would be opened.
        let zero = empty + "\0x"
        #expect(
            failure { () throws(BitNetError) in try InputFile(opening: zero) }
                == .fileNotFound(path: zero))
    }

    @Test("slices and integers outside a region are errors")
    func bounds() throws {
        let region = ByteRegion([1, 2, 3, 4])
        #expect(
            failure { () throws(BitNetError) in try region.slice(0..<5) }?.isMalformedFile == true)
        #expect(
            failure { () throws(BitNetError) in try region.slice(-1..<2) }?.isMalformedFile == true)
        #expect(try region.slice(4..<4).count == 0)
        #expect(try region.integer(at: 1, as: UInt16.self) == 0x0302)
        for offset in [-1, 1, 4, Int.max, Int.min] {
            let error = failure { () throws(BitNetError) in
                try region.integer(at: offset, as: UInt32.self)
            }
            #expect(error?.isMalformedFile == true)
        }
    }

    @Test("a truncated file's error says where")
    func position() throws {
        var reader = ByteReader(try ByteRegion([0, 0, 0, 1, 2, 3], path: "f").slice(2..<6))
        _ = try reader.read(UInt16.self)
        let error = failure { () throws(BitNetError) in try reader.read(UInt32.self) }
        #expect(
            error
                == .malformedFile(
                    path: "f",
                    detail: "truncated at byte 4: 4 bytes needed, 2 left; is the download complete?"
                ))
    }
}
