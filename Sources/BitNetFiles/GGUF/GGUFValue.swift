/// The type ids of GGUF metadata values.
package enum GGUFValueType: UInt32, Sendable, Hashable, CaseIterable {
    case uint8 = 0
    case int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    /// Fewest bytes that one value takes in the file.
    var minimumSize: Int {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64, .string: 8
        case .array: 12
        }
    }
}

/// A metadata value of a GGUF file, with the type it has in the file.
package enum GGUFValue: Sendable {
    case uint8(UInt8)
    case int8(Int8)
    case uint16(UInt16)
    case int16(Int16)
    case uint32(UInt32)
    case int32(Int32)
    case float32(Float)
    case bool(Bool)
    case string(String)
    /// A string whose bytes are not UTF-8.
    case bytes(ByteRegion)
    case array(GGUFArray)
    case uint64(UInt64)
    case int64(Int64)
    case float64(Double)

    /// The value's type.
    package var type: GGUFValueType {
        switch self {
        case .uint8: .uint8
        case .int8: .int8
        case .uint16: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        case .float32: .float32
        case .bool: .bool
        case .string, .bytes: .string
        case .array: .array
        case .uint64: .uint64
        case .int64: .int64
        case .float64: .float64
        }
    }

    /// The whole number, if it is one that fits in `Int`.
    package var int: Int? {
        switch self {
        case .uint8(let value): Int(value)
        case .int8(let value): Int(value)
        case .uint16(let value): Int(value)
        case .int16(let value): Int(value)
        case .uint32(let value): Int(exactly: value)
        case .int32(let value): Int(value)
        case .uint64(let value): Int(exactly: value)
        case .int64(let value): Int(exactly: value)
        case .float32, .float64, .bool, .string, .bytes, .array: nil
        }
    }

    /// The number, if it is a float32 or float64.
    package var double: Double? {
        switch self {
        case .float32(let value): Double(value)
        case .float64(let value): value
        default: nil
        }
    }

    /// The truth value, if it is one.
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The text, if it is one.
    package var string: String? { if case .string(let value) = self { value } else { nil } }

    /// The text, with U+FFFD where its bytes are not UTF-8; nil where it is no text.
    package var repairedText: String? {
        if case .bytes(let bytes) = self { bytes.repairedText } else { string }
    }

    /// The array, if it is one.
    package var array: GGUFArray? { if case .array(let value) = self { value } else { nil } }
}

/// An array of metadata values, left in the file until it is asked for.
package struct GGUFArray: Sendable {
    enum Contents: Sendable {
        /// Numbers or truth values, as in the file.
        case fixed(ByteRegion)
        case strings(GGUFStringArray)
        case arrays([GGUFArray])
    }

    /// The type of every element.
    package let elementType: GGUFValueType
    /// Number of elements.
    package let count: Int
    let contents: Contents

    init(elementType: GGUFValueType, count: Int, contents: Contents) {
        self.elementType = elementType
        self.count = count
        self.contents = contents
    }

    /// An array of strings, to be written.
    package init(_ strings: [String]) {
        self.init(
            elementType: .string, count: strings.count,
            contents: .strings(GGUFStringArray(strings)))
    }

    /// An array of int32 numbers, to be written.
    package init(_ values: [Int32]) {
        var writer = ByteWriter()
        for value in values { writer.write(value) }
        self.init(
            elementType: .int32, count: values.count, contents: .fixed(ByteRegion(writer.bytes)))
    }

    /// An array of float32 numbers, to be written.
    package init(_ values: [Float]) {
        var writer = ByteWriter()
        for value in values { writer.write(value) }
        self.init(
            elementType: .float32, count: values.count, contents: .fixed(ByteRegion(writer.bytes)))
    }

    /// The strings, if the elements are strings.
    package var strings: GGUFStringArray? {
        if case .strings(let strings) = contents { strings } else { nil }
    }

    /// The inner arrays, if the elements are arrays.
    package var arrays: [GGUFArray]? {
        if case .arrays(let arrays) = contents { arrays } else { nil }
    }

    /// The elements as whole numbers; nil where they are of another type or do not fit in `Int`.
    package var ints: [Int]? {
        decode { (reader, type) throws(BitNetError) in
            switch type {
            case .uint8: Int(try reader.read(UInt8.self))
            case .int8: Int(try reader.read(Int8.self))
            case .uint16: Int(try reader.read(UInt16.self))
            case .int16: Int(try reader.read(Int16.self))
            case .uint32: Int(exactly: try reader.read(UInt32.self))
            case .int32: Int(try reader.read(Int32.self))
            case .uint64: Int(exactly: try reader.read(UInt64.self))
            case .int64: Int(exactly: try reader.read(Int64.self))
            case .float32, .float64, .bool, .string, .array: nil
            }
        }
    }

    /// The elements as numbers; nil where they are neither float32 nor float64.
    package var doubles: [Double]? {
        decode { (reader, type) throws(BitNetError) in
            switch type {
            case .float32: Double(try reader.readFloat())
            case .float64: try reader.readDouble()
            default: nil
            }
        }
    }

    /// The elements as truth values; nil where they are of another type.
    package var bools: [Bool]? {
        decode { (reader, type) throws(BitNetError) in
            type == .bool ? try reader.readBool() : nil
        }
    }

    private func decode<Element>(
        _ next: (inout ByteReader, GGUFValueType) throws(BitNetError) -> Element?
    ) -> [Element]? {
        guard case .fixed(let region) = contents else { return nil }
        var reader = ByteReader(region)
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            // The region holds `count` elements, so only a wrong type ends this early.
            guard let element = try? next(&reader, elementType) else { return nil }
            elements.append(element)
        }
        return elements
    }
}

/// The strings of a metadata array, decoded one at a time when asked for.
///
/// A vocabulary has 128,000 tokens and 280,000 merges: opening a file notes where each begins and
/// copies none.
package struct GGUFStringArray: Sendable, RandomAccessCollection {
    /// All elements as in the file: a 64-bit length, then the bytes, for each.
    package let region: ByteRegion
    /// Where the text of each element begins in `region`, and one more entry as if another
    /// followed.
    private let starts: [Int]

    /// Reads the lengths of `count` strings.
    init(reading reader: inout ByteReader, count: Int) throws(BitNetError) {
        let first = reader.offset
        var starts: [Int] = []
        // `count` is bounded by the bytes that remain (readCount).
        starts.reserveCapacity(count + 1)
        for _ in 0..<count {
            let length = try reader.readCount(of: "bytes of a string", size: 1)
            starts.append(reader.offset - first)
            _ = try reader.readBytes(length)
        }
        starts.append(reader.offset - first + Self.lengthSize)
        self.starts = starts
        region = try reader.region.slice(first..<reader.offset)
    }

    /// Strings in memory, laid out as in a file.
    init(_ strings: [String]) {
        var writer = ByteWriter()
        var starts: [Int] = []
        for string in strings {
            starts.append(writer.bytes.count + Self.lengthSize)
            writer.write(string)
        }
        starts.append(writer.bytes.count + Self.lengthSize)
        self.starts = starts
        region = ByteRegion(writer.bytes)
    }

    private static let lengthSize = MemoryLayout<UInt64>.size

    package var startIndex: Int { 0 }
    package var endIndex: Int { starts.count - 1 }

    /// The string at `index`, with U+FFFD where its bytes are not UTF-8.
    package subscript(index: Int) -> String { utf8(at: index).repairedText }

    /// A copy of the bytes of the string at `index`, as in the file.
    package func bytes(at index: Int) -> [UInt8] { utf8(at: index).bytes }

    /// The bytes of the string at `index`, in place.
    package func utf8(at index: Int) -> ByteRegion {
        region.part(starts[index]..<starts[index + 1] - Self.lengthSize)
    }
}
