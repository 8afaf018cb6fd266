(** Stacks. *)

type 'a t
(** A stack of values. *)

val push : 'a -> 'a t -> 'a t
(** Pushes a value. *)

(** The top. *)
val peek : 'a t -> 'a

module Inner : sig
  val hidden : int
end
