package app.http

import cats.effect.IO
import scala.collection.mutable.{Map, Set}

/** A server.
  *
  * @param port where it listens
  */
final case class Server[F[_]](port: Int) extends Base {
  val name = "x"

  /** Starts it. */
  def start(host: String): F[Unit] = {
    // blocks
    bind(host).flatMap(_.run())
  }

  def stop: Unit = ()
}

object Server {
  def default: Server[IO] = Server(80)

  implicit val show: Show[Server] = new Show[Server] {
    def show(s: Server) = s.name
  }
}

trait Codec {
  /** Encodes. */
  def encode(x: Int): String
}

class ServerSuite extends FunSuite {
  test("starts a server") {
    assert(Server.default.start("a"))
  }
}
