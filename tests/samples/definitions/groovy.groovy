package app

import groovy.json.JsonSlurper

/**
 * Reads settings.
 */
class Settings {
    String name

    /** Loads them. */
    def load(String path) {
        // strict
        return new JsonSlurper().parse(new File(path))
    }

    static void main(String[] args) {
        println load('def fake() {}')
    }
}

def helper(x) {
    return x.trim()
}

task build {
    doLast { helper('a') }
}
