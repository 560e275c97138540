public import Foundation

extension ModelRecord {
    /// Reads what `write(to:)` wrote.
    ///
    /// - Throws: `BitNetError.malformedFile` for anything else, `.unsupportedFormat` for a record of a
    ///   later version, and what reading a file can throw.
    public static func read(from url: URL) throws(BitNetError) -> ModelRecord {
        let largest = 1 << 16
        let region = try FileRegion(opening: url.path) { _ in largest }
        guard region.count <= largest else {
            throw .malformedFile(path: url.path, detail: "too large for a record of a model")
        }
        let record: ModelRecord
        do {
            record = try JSONDecoder().decode(ModelRecord.self, from: Data(try region.bytes))
        } catch let error as BitNetError {
            throw error
        } catch {
            throw .malformedFile(
                path: url.path,
                detail: "no record of a model: \(error.reason); write one with "
                    + "`bitnet verify MODEL --record FILE`")
        }
        guard record.version == currentVersion else {
            throw .unsupportedFormat(
                path: url.path, detail: "a record of version \(record.version)",
                remedy: "this package reads version \(currentVersion); make the record anew")
        }
        return record
    }

    /// Writes the record as JSON, whole or not at all.
    ///
    /// - Throws: `BitNetError.unwritable`, also for a file that is there and holds something else.
    public func write(to url: URL) throws(BitNetError) {
        try Self.checkTarget(url)
        let file = try AtomicFile(replacing: url.path)
        try file.write(ByteRegion(Array(try json().utf8)))
        try file.commit()
    }

    /// Refuses what a record cannot be written to, before there is one.
    ///
    /// - Throws: `BitNetError.unwritable`, as `write(to:)`.
    package static func checkTarget(_ url: URL) throws(BitNetError) {
        try AtomicFile.checkCreation(url.path)
        if let old = try? InputFile(opening: url.path), old.count > 0,
            (try? ModelRecord.read(from: url)) == nil
        {
            throw .unwritable(
                path: url.path, reason: "it is there and no record of a model; give another name")
        }
    }

    /// The record as `write(to:)` writes it.
    package func json() throws(BitNetError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
        } catch {
            throw .unwritable(path: "JSON", reason: "\(error)")
        }
    }
}

extension Error {
    /// What a JSON decoder has found, on one line.
    fileprivate var reason: String {
        switch self as any Error {
        case DecodingError.keyNotFound(let key, _): "'\(key.stringValue)' is missing"
        case DecodingError.typeMismatch(_, let context),
            DecodingError.valueNotFound(_, let context):
            "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' has another type"
        default: "it is not JSON"
        }
    }
}
