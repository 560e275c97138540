import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Mapped files and byte regions")
struct MappedFileTests {
    @Test("a mapped file has the bytes of the file, also after they were released")
    func contents() throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let region = ByteRegion(try MappedFile(opening: try folder.write("a", bytes)))
        #expect(region.bytes == bytes)
        region.release()
        #expect(region.bytes == bytes)
        let part = try region.slice(9_000..<19_999)
        part.release()
        #expect(part.bytes == Array(bytes[9_000..<19_999]))
        #expect(try part.slice(1..<3).range == 9_001..<9_003)
    }

    @Test("a region keeps its file mapped")
    func lifetime() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a", [1, 2, 3])
        let region = try ByteRegion(try MappedFile(opening: path)).slice(1..<3)
        #expect(region.bytes == [2, 3])
        #expect(region.path == path)
    }

    @Test("what is no readable file gives a typed error")
    func errors() throws {
        let folder = try TemporaryFolder()
        let empty = try folder.write("empty", [])
        #expect(
            failure { () throws(BitNetError) in try MappedFile(opening: empty) }?.isMalformedFile
                == true)
        let isFolder = failure { () throws(BitNetError) in try MappedFile(opening: folder.path) }
        #expect(isFolder?.isUnreadable == true)
        let missing = folder.file("none")
        #expect(
            failure { () throws(BitNetError) in try MappedFile(opening: missing) }
                == .fileNotFound(path: missing))
        let device = failure { () throws(BitNetError) in try MappedFile(opening: "/dev/null") }
        #expect(device?.isUnreadable == true)
        // In C the name would end at the zero, and "empty" would be opened.
        let zero = empty + "\0x"
        #expect(
            failure { () throws(BitNetError) in try MappedFile(opening: zero) }
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
