# Reads another: no byte of the code differs, only what the reference adds.
	.section .bss.state,"aw",@nobits
	.align	8
	.type	state, @object
	.size	state, 16
state:
	.zero	16

	.section .text.get,"ax",@progbits
	.globl	get
	.type	get, @function
get:
	.cfi_startproc
	movl	8+state(%rip), %eax
	ret
	.cfi_endproc
	.size	get, .-get

	.section .text.put,"ax",@progbits
	.globl	put
	.type	put, @function
put:
	.cfi_startproc
	movl	$1, 4+state(%rip)
	ret
	.cfi_endproc
	.size	put, .-put
