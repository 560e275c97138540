internal import Foundation

/// The files of a Hugging Face model folder, by name.
package struct ModelFolder: Sendable {
    package let path: String

    package init(path: String) { self.path = path }

    package func join(_ name: String) -> String {
        path.hasSuffix("/") ? path + name : path + "/" + name
    }

    package func exists(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: join(name))
    }

    /// The contents of a file; nil where there is no such file.
    package func file(_ name: String) throws(BitNetError) -> ByteRegion? {
        exists(name) ? try ByteRegion(reading: try InputFile(opening: join(name))) : nil
    }

    /// The object in a JSON file; nil where there is no such file.
    package func json(_ name: String) throws(BitNetError) -> JSONValue? {
        guard let region = try file(name) else { return nil }
        let value = try JSONValue(parsing: region)
        guard value.object != nil else {
            throw .malformedFile(path: join(name), detail: "not a JSON object")
        }
        return value
    }
}
